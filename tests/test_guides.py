"""The pages for readers: each is linked, pages in English and German agree, and named metrics exist."""

import re
from pathlib import Path

import pytest

from services.runtime.metrics import Metrics
from tests.support.documentation import FENCE, INDENTED, ROOT, find_commands, list_files, read_tables

DOCS = ROOT / "docs"
GERMAN_PAGES = sorted(DOCS.glob("*.de.md"))


def read_pair(german: Path) -> tuple[str, str]:
    """Returns the English and the German page."""
    english = german.with_name(german.name.replace(".de.", "."))
    return english.read_text(encoding="utf-8"), german.read_text(encoding="utf-8")


def list_sections(page: str) -> list[tuple[str, str]]:
    """Returns the level and the number of each section; an empty number for a section without one."""
    return re.findall(r"^(#{2,6}) (\d*)", FENCE.sub("", page), re.MULTILINE)


def list_command_words(page: str) -> set[str]:
    """Returns each shown command without its comment and its values, which differ by language."""
    commands = (command.partition("#")[0].split() for command in find_commands(page))
    return {" ".join(word for word in words if re.fullmatch(r"[a-z_-]*[a-z]", word)) for words in commands}


def list_code(page: str) -> tuple[list[str], set[str]]:
    """Returns the blocks of code, and the code within the text."""
    blocks = [block for _, block in FENCE.findall(page)]
    text = FENCE.sub("", page)
    return blocks + INDENTED.findall(text), set(re.findall(r"`([^`\n]+)`", text))


def list_code_of_tables(page: str) -> list[list[list[str]]]:
    """Returns the cells of each table that contain nothing but code."""
    return [[[cell for cell in row if re.fullmatch("`[^`]+`", cell)] for row in rows] for rows in read_tables(page)]


def test_pages_in_two_languages_are_found() -> None:
    """The checks below must not pass because they compare nothing."""
    assert [page.name for page in GERMAN_PAGES] == ["administrator.de.md", "first-mapping.de.md", "mappings.de.md"]


@pytest.mark.parametrize("german", GERMAN_PAGES, ids=lambda page: page.name)
def test_pages_in_two_languages_have_the_same_sections(german: Path) -> None:
    """A section that only one language has is not found by the readers of the other one."""
    english_page, german_page = read_pair(german)

    assert list_sections(german_page) == list_sections(english_page) != []


@pytest.mark.parametrize("german", GERMAN_PAGES, ids=lambda page: page.name)
def test_pages_in_two_languages_show_the_same_commands(german: Path) -> None:
    """A command is added to both languages."""
    english_page, german_page = read_pair(german)

    assert list_command_words(german_page) == list_command_words(english_page)


@pytest.mark.parametrize("german", GERMAN_PAGES, ids=lambda page: page.name)
def test_pages_in_two_languages_link_each_other(german: Path) -> None:
    """A reader that has found the page in the other language gets to the own one."""
    english_page, german_page = read_pair(german)

    assert f"Deutsch: [{german.name}]({german.name})." in english_page
    assert re.search(rf"English:\s+\[({re.escape(german.name.replace('.de.', '.'))})\]\(\1\)\.", german_page)


def test_pages_about_mappings_show_the_same_code() -> None:
    """Keys, settings and examples are the same in every language."""
    english_page, german_page = read_pair(DOCS / "mappings.de.md")

    assert list_code(german_page) == list_code(english_page)
    assert list_code_of_tables(german_page) == list_code_of_tables(english_page)


def test_readme_links_every_page() -> None:
    """Readers begin with the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in sorted(DOCS.glob("*.md")) if f"(docs/{page.name}" not in readme] == []


def test_metrics_that_a_page_names_exist() -> None:
    """An alert on a metric with another name never fires."""
    known = {name for metric in Metrics().registry.collect() for name in (metric.name, f"{metric.name}_total")}

    named = {
        name for page in list_files("*.md") for name in re.findall(r"`(sync_[a-z_]+)", page.read_text(encoding="utf-8"))
    }

    assert named - known == set()
