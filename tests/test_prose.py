"""The language of the repository follows docs/glossary.md and the rules of CONTRIBUTING.md."""

from pathlib import Path

import pytest

from tests.support import prose

WORDS = [pattern for pattern in prose.PATTERNS if "(" not in pattern]
PHRASES = [word for word in WORDS if " " in word]
PRONOUN = WORDS[0]


def write(folder: Path, source: str, name: str = "sample.py") -> Path:
    """Returns a file with this content."""
    file = folder / name
    file.write_text(source, encoding="utf-8")
    return file


@pytest.mark.parametrize("path", prose.CHECKED)
def test_repository_has_no_language_problem(path: str) -> None:
    """Every file follows the rules. ``python -m tests.support.prose`` lists the problems with their lines."""
    problems = [str(problem) for file in prose.expand(prose.ROOT / path) for problem in prose.find_problems(file)]

    assert problems == []


def test_checked_paths_exist() -> None:
    """A path that was renamed must not drop out of the check."""
    assert [path for path in prose.CHECKED if not (prose.ROOT / path).exists()] == []


@pytest.mark.parametrize("word", WORDS)
def test_each_forbidden_word_is_found(tmp_path: Path, word: str) -> None:
    """Every line of the list works, also at the start of a sentence."""
    assert len(list(prose.find_forbidden_words(write(tmp_path, f"# {word.capitalize()} waits.")))) == 1


@pytest.mark.parametrize("source", ["# {}", '"""{}."""', 'raise ValueError("{}")', "f'{{1}} {}'", "def test_{}(): ..."])
def test_forbidden_word_is_found_in_any_prose(tmp_path: Path, source: str) -> None:
    """Comments, docstrings, messages, f-strings and names of functions are prose."""
    assert len(list(prose.find_forbidden_words(write(tmp_path, source.format(PRONOUN))))) == 1


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize(
    ("name", "source", "line_end"),
    [("sample.py", '"""It {}."""', "\n    "), ("sample.py", "# It {}.", "\n# "), ("page.md", "It {}.", "\n")],
)
def test_phrase_over_a_line_end_is_found(tmp_path: Path, phrase: str, name: str, source: str, line_end: str) -> None:
    """Docstrings, comments and documents may break a phrase at any space."""
    broken = source.format(phrase.replace(" ", line_end, 1))

    (problem,) = prose.find_forbidden_words(write(tmp_path, broken, name))

    assert problem.line == 1


@pytest.mark.parametrize("text", ["is no longer visible", "no more than 5 records", "the whole batch", "wholesome"])
def test_plain_words_are_allowed(tmp_path: Path, text: str) -> None:
    """Phrases that only look like forbidden ones pass."""
    assert list(prose.find_forbidden_words(write(tmp_path, f"# {text}"))) == []


def test_forbidden_word_is_found_in_markdown(tmp_path: Path) -> None:
    """Documents are checked line by line."""
    assert list(prose.find_forbidden_words(write(tmp_path, f"{PRONOUN} waits.", "page.md")))


@pytest.mark.parametrize("base", ["FrozenModel", "NamedTuple", "Protocol"])
def test_undocumented_field_is_found(tmp_path: Path, base: str) -> None:
    """A field has its own docstring: meaning, unit, and what None means."""
    source = (
        f'class Entry({base}):\n    """An entry, with a size."""\n    size: int\n    name: str\n    """The name."""'
    )

    (problem,) = prose.find_undocumented_fields(write(tmp_path, source))

    assert problem.text == "no docstring: field Entry.size"


@pytest.mark.parametrize(
    "field", ['size: int\n    """Bytes."""', 'kind: Literal["rule"] = "rule"', "code: ClassVar[str]", "_size: int"]
)
def test_documented_and_internal_fields_pass(tmp_path: Path, field: str) -> None:
    """Private fields, class variables and the discriminator of a union need no docstring."""
    assert list(prose.find_undocumented_fields(write(tmp_path, f"class Entry:\n    {field}"))) == []


@pytest.mark.parametrize("source", ["LIMIT = 5", "FIRST, LAST = 1, 2", "LIMIT: float = 5.0"])
def test_undocumented_constant_is_found(tmp_path: Path, source: str) -> None:
    """A constant of the product has a docstring with its unit."""
    assert len(list(prose.find_undocumented_constants(write(tmp_path, source)))) == 1


@pytest.mark.parametrize("source", ['LIMIT = 5\n"""Bytes."""', "_LIMIT = 5", "logger = get_logger()", "Body = dict"])
def test_documented_and_private_constants_pass(tmp_path: Path, source: str) -> None:
    """Private constants, variables and type aliases need no docstring."""
    assert list(prose.find_undocumented_constants(write(tmp_path, source))) == []


@pytest.mark.parametrize("name", ["settled", "_told", PRONOUN, "each", "all", "missing", "found_by_name", "its_owner"])
def test_function_named_by_no_verb_is_found(tmp_path: Path, name: str) -> None:
    """Functions are verbs, not participles or pronouns."""
    assert len(list(prose.find_bad_function_names(write(tmp_path, f"def {name}(): ...")))) == 1


@pytest.mark.parametrize(
    "name", ["settle", "read", "embed_schema", "seed", "ping", "is_settled", "mark_emitted", "__init__"]
)
def test_function_named_by_a_verb_passes(tmp_path: Path, name: str) -> None:
    """Verbs that end like a participle are verbs."""
    assert list(prose.find_bad_function_names(write(tmp_path, f"def {name}(): ..."))) == []


def test_property_may_be_named_by_a_noun(tmp_path: Path) -> None:
    """Properties and fixtures are used like variables."""
    source = "class A:\n    @property\n    def missing(self): ..."

    assert list(prose.find_bad_function_names(write(tmp_path, source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "def test_" + "x" * 60 + '():\n    """Holds."""',
        "def test_x():\n    assert True",
        'def test_x():\n    """Holds."""\n    assert (1, 2) == (a, b)',
    ],
)
def test_badly_formed_test_is_found(tmp_path: Path, source: str) -> None:
    """Tests have short names, a docstring, and one fact in each assert."""
    assert len(list(prose.find_test_problems(write(tmp_path, source)))) == 1
