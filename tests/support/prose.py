"""Checks the language of the repository: forbidden words, undocumented fields, function names, the form of tests.

``python -m tests.support.prose`` checks the whole repository, ``python -m tests.support.prose PATH...`` files or folders.
It prints one line for each problem.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

ROOT = Path(__file__).parents[2]

WORDS_FILE = Path(__file__).with_name("forbidden_words.txt")

PATTERNS = tuple(
    line for line in WORDS_FILE.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")
)
"""One regular expression for each forbidden word."""

WORDS = re.compile(rf"\b({'|'.join(PATTERNS)})\b".replace(" ", r"[\s#]+"), re.IGNORECASE)
"""Finds forbidden words in text of any language, so German documents are left out."""

CHECKED = (
    *("services", "sandbox", "tests", "benchmarks", "docs", "containers", "changelog.d", ".ci", ".devcontainer"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Dockerfile", "docker-compose.yml"),
    *("pyproject.toml", ".env.example", ".pre-commit-config.yaml"),
)
"""Files and folders of the repository that are checked. The license is a legal text and stays as it is."""

MAX_TEST_NAME = 60
"""Maximum number of characters in the name of a test."""

PROSE_SUFFIXES = {".md", ".txt", ".yml", ".yaml", ".toml", ".example", ".sh"}
PROSE_NAMES = {"Makefile", "Dockerfile", "run"}

DOCUMENTED = ("services", "sandbox", "benchmarks", "docs", "tests/support")
"""Folders in which every public field has a docstring."""

# Word lists read better as text than as lists of strings, hence the exemptions from SIM905.
PRONOUNS = frozenset(
    "all anything each everything it its mine nothing one ours something that these theirs they this those what "  # noqa: SIM905
    "which you".split()
)
"""Pronouns that are not among the forbidden words."""

PARTICIPLES = frozenset(
    "asked begun born bound brought built cut done drawn fallen felt found given gone grown heard held kept known laid "  # noqa: SIM905
    "led left lost made meant met paid said seen sent shown sold spent stood taken taught thought told understood went "
    "withdrawn worn written".split()
)
"""Irregular participles; regular ones end in ``ed``."""

VERBS_IN_ED = frozenset("embed exceed feed need proceed seed shed speed succeed".split())  # noqa: SIM905
"""Verbs that end like a regular participle."""

VERBS_IN_ING = frozenset("bring cling fling ping ring sing string swing".split())  # noqa: SIM905
"""Verbs that end like a present participle."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Problem(NamedTuple):
    """One place that breaks a rule."""

    path: Path
    """The file."""
    line: int
    """Number of the line, from 1."""
    text: str
    """What is wrong there."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


# ------------------------------------------------------------ words


def find_forbidden_words(path: Path) -> Iterator[Problem]:
    """Yields each forbidden word in the prose of a file: in Python, its comments, strings and function names."""
    source = path.read_text(encoding="utf-8")
    pieces = _split_python(source) if path.suffix == ".py" else [(1, source)]
    for first_line, text in pieces:
        for match in WORDS.finditer(text):
            yield Problem(path, first_line + text.count("\n", 0, match.start()), f"forbidden word: {match[0]}")


def _split_python(source: str) -> Iterator[tuple[int, str]]:
    """Yields the pieces of prose with their first lines. Comments on adjacent lines are one piece."""
    yield from _join_comments(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        if isinstance(node, Function):
            yield node.lineno, node.name.replace("_", " ")


def _join_comments(source: str) -> Iterator[tuple[int, str]]:
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if lines and token.start[0] != first + len(lines):
            yield first, "\n".join(lines)
            lines = []
        first = first if lines else token.start[0]
        lines.append(token.string)
    if lines:
        yield first, "\n".join(lines)


# ------------------------------------------------------------ fields


def find_undocumented_fields(path: Path) -> Iterator[Problem]:
    """Yields each public field of a model, dataclass or named tuple without a docstring below it.

    Ruff checks the docstrings of modules, classes and functions (rules D1), and knows no rule for fields.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for field, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign) and _needs_docstring(field) and not _is_docstring(after):
                    yield Problem(path, field.lineno, f"no docstring: field {node.name}.{ast.unparse(field.target)}")


def _needs_docstring(field: ast.AnnAssign) -> bool:
    """Class variables, and the fixed ``kind`` by which the members of a union are told apart, need none."""
    name, annotation = ast.unparse(field.target), ast.unparse(field.annotation)
    is_discriminator = name == "kind" and annotation.startswith("Literal")
    return not (name.startswith("_") or annotation.startswith("ClassVar") or is_discriminator)


def _is_docstring(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def find_undocumented_constants(path: Path) -> Iterator[Problem]:
    """Yields each public constant of a module without a docstring below it."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and not _is_docstring(after):
            names = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            is_type_variable = len(names) == 1
            if names.isupper() and not names.strip("(").startswith("_") and not is_type_variable:
                yield Problem(path, node.lineno, f"no docstring: constant {names}")


# ------------------------------------------------------------ names


def find_bad_function_names(path: Path) -> Iterator[Problem]:
    """Yields each function that is named by a participle or a pronoun; properties are values and may be nouns."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function) and not _is_value(node) and not _is_named_by_a_verb(node.name):
            yield Problem(path, node.lineno, f"not a verb: {node.name}")


def _is_value(function: Function) -> bool:
    """Properties and fixtures are used like variables."""
    decorators = " ".join(ast.unparse(decorator) for decorator in function.decorator_list)
    return "property" in decorators or "fixture" in decorators or ".setter" in decorators


def _is_named_by_a_verb(name: str) -> bool:
    first = name.strip("_").split("_")[0].lower()
    if first in PRONOUNS or first in PARTICIPLES or WORDS.fullmatch(first):
        return False
    if first.endswith("ed") and len(first) > 4 and first not in VERBS_IN_ED:
        return False
    return not (first.endswith("ing") and len(first) > 4 and first not in VERBS_IN_ING)


# ------------------------------------------------------------ tests


def find_test_problems(path: Path) -> Iterator[Problem]:
    """Yields each test with a long name or without a docstring, and each assert that compares tuples."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function) and node.name.startswith("test_"):
            if len(node.name) > MAX_TEST_NAME:
                yield Problem(path, node.lineno, f"more than {MAX_TEST_NAME} characters: {node.name}")
            if ast.get_docstring(node) is None:
                yield Problem(path, node.lineno, f"no docstring: {node.name}")
        if isinstance(node, ast.Assert) and _compares_tuples(node.test):
            yield Problem(path, node.lineno, "several facts in one assert")


def _compares_tuples(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Tuple)
        and any(isinstance(side, ast.Tuple) for side in test.comparators)
    )


# ------------------------------------------------------------ files


def find_problems(path: Path) -> Iterator[Problem]:
    """Yields every problem of one file."""
    yield from find_forbidden_words(path)
    if path.suffix == ".py":
        yield from find_bad_function_names(path)
        if path.resolve().relative_to(ROOT).as_posix().startswith(DOCUMENTED):
            yield from find_undocumented_fields(path)
        if path.resolve().relative_to(ROOT).parts[0] == "services":
            yield from find_undocumented_constants(path)
        if path.name.startswith("test_"):
            yield from find_test_problems(path)


def is_prose(path: Path) -> bool:
    """Whether the words of this file are checked: Python, English documents, build and container files."""
    if path.name.endswith(".de.md") or path == WORDS_FILE:
        return False
    return path.suffix in {".py", *PROSE_SUFFIXES} or path.name in PROSE_NAMES


def expand(path: Path) -> Iterator[Path]:
    """Yields the checked files of a folder, or the file itself."""
    yield from (
        sorted(file for file in path.rglob("*") if file.is_file() and is_prose(file)) if path.is_dir() else (path,)
    )


def list_files() -> list[Path]:
    """Returns every file of the repository that is checked."""
    return [file for name in CHECKED for file in expand(ROOT / name)]


def main(arguments: list[str]) -> int:
    """Prints the problems of the named files and folders, or of the whole repository; returns 1 if there are any."""
    files = [file for name in arguments for file in expand(Path(name))] if arguments else list_files()
    problems = [problem for file in files for problem in find_problems(file)]
    print("\n".join(map(str, problems)) or "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
