"""The guide to the first mapping: both languages have the same commands, and the test of the guide notices what is wrong."""

import itertools

import pytest

from tests.support.guide import (
    GERMAN_GUIDE,
    GUIDE,
    Block,
    Command,
    find_missing_line,
    parse_commands,
    read_blocks,
)

SHOWN = Block("text", "employee 7: updated (account 12)\n…\n  title\nPublish it? [y/N]: y\nversion 2 is published\n")
PRINTED = "employee 1024: updated (account 3)\n  name\n  title\nPublish it? [y/N]: version 9 is published\n"


def test_guide_has_the_same_blocks_in_both_languages() -> None:
    """The test with the running services reads the English page."""
    assert read_blocks(GERMAN_GUIDE) == read_blocks(GUIDE)


def test_guide_has_the_same_sections_in_both_languages() -> None:
    """A reader finds the same step under the same number."""
    english, german = (
        [line.split()[1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
        for page in (GUIDE, GERMAN_GUIDE)
    )

    assert german == english


def test_guide_has_only_blocks_that_are_tested() -> None:
    """Each block with output follows a command."""
    blocks = read_blocks(GUIDE)
    languages = [block.language for block in blocks]

    assert set(languages) == {"sh", "text", "yaml"}
    assert {before for before, after in itertools.pairwise(languages) if after == "text"} == {"sh"}
    assert all(parse_commands(block) for block in blocks if block.language == "sh")


def test_command_of_a_guide_can_write_a_file() -> None:
    """The words are those of a shell."""
    block = Block("sh", "personio-declaree mapping suggest ID > a.yaml\npersonio-declaree mapping unpin ID 'a b'\n")

    assert parse_commands(block) == (
        Command(("mapping", "suggest", "ID"), "a.yaml"),
        Command(("mapping", "unpin", "ID", "a b"), None),
    )


def test_other_program_is_refused() -> None:
    """It would not be tested."""
    with pytest.raises(ValueError, match="is not a command of the program"):
        parse_commands(Block("sh", "curl http://127.0.0.1\n"))


def test_output_of_a_guide_is_found() -> None:
    """Numbers differ, lines are left out, and the answer is not part of the output."""
    assert find_missing_line(SHOWN, PRINTED) is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("updated", "created"), "employee 7: updated (account 12)"),
        (("  title\n", ""), "  title"),
        (("Publish it", "Really"), "Publish it? [y/N]: y"),
        (("9 is published", "9 stays"), "version 2 is published"),
    ],
)
def test_missing_line_of_a_guide_is_named(change: tuple[str, str], line: str) -> None:
    """A page with an output of an older version has to be corrected."""
    assert find_missing_line(SHOWN, PRINTED.replace(*change)) == line


def test_order_of_lines_is_compared() -> None:
    """The second line is printed before the first."""
    assert find_missing_line(Block("text", "b\na\n"), "a\nb\n") == "a"
