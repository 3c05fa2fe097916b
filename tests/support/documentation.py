"""Checks of the documentation. Each takes a text or a file and returns what is wrong."""

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.generators import cli
from docs.generators.settings import CONNECTION_SECRETS, list_settings

ROOT = Path(__file__).parents[2]
"""Folder of the repository."""
FOREIGN_FOLDERS = {"node_modules", "dist", "build", "__pycache__"}
"""Folders that tools create."""


def list_files(pattern: str = "*") -> list[Path]:
    """Returns the files of the repository, without those of tools and of the demo."""
    files: set[Path] = set()
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if _is_project_folder(name)]
        files |= {Path(folder, name) for name in names if Path(name).match(pattern)}
    return sorted(files - {ROOT / ".env"})


def _is_project_folder(name: str) -> bool:
    return name == ".ci" or not (name in FOREIGN_FOLDERS or name.startswith(".") or name.endswith(".egg-info"))


def format_path(file: Path) -> str:
    """Returns the path within the repository."""
    return file.relative_to(ROOT).as_posix()


# ------------------------------------------------------------ the example of settings


def find_example_problems(text: str, other_variables: frozenset[str] = frozenset()) -> list[str]:
    """Returns what is wrong with an ``.env.example``.

    It must name each setting once, below its description. A setting that is commented out shows its default.
    ``other_variables`` are allowed as well.
    """
    settings = list_settings()
    defaults = {setting.name: setting.default for setting in settings if setting.default is not None}
    lines = text.splitlines()
    variables: list[str] = []
    problems: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        match = re.match(r"(#? ?)([A-Z][A-Z0-9_]*)=(.*)", line)
        if match is None:
            continue
        comment, name, value = match.groups()
        variables.append(name)
        if not re.match(r"# ?\w", before) or re.match(r"# ?[A-Z][A-Z0-9_]*=", before):
            problems.append(f"{name} has no description above it")
        if comment and value != defaults.get(name, value):
            problems.append(f"{name} is {value}, but its default is {defaults[name]}")
    names = {setting.name for setting in settings}
    secret_files = {f"{setting.name}_FILE" for setting in settings if setting.secret}
    allowed = names | secret_files | CONNECTION_SECRETS.keys() | other_variables
    problems += [f"{name} is missing" for name in sorted(names - {*variables})]
    problems += [f"{name} is not a setting" for name in sorted({*variables} - allowed)]
    return problems + [f"{name} is there twice" for name in sorted({*variables}) if variables.count(name) > 1]


# ------------------------------------------------------------ commands

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A block of code: its language and its lines."""
SHELL = {"", "sh", "bash", "shell", "console", "text"}
"""Languages of blocks that may contain commands."""
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
"""Blocks of code without a fence: lines with four spaces after an empty one."""
SEPARATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1"}
"""Words between two commands."""
COMMANDS = {" ".join(command.words[1:]): command for command in cli.list_commands()}
"""Commands and groups by the words after the program's name."""
GROUPS = {words for words, command in COMMANDS.items() if command.is_group and words}
"""Words of the groups."""
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
"""Targets of the Makefile."""


def find_commands(text: str) -> Iterator[str]:
    """Yields the lines of code blocks, also of indented ones, and code in the text. In the text the name of the program may be left out."""
    for language, block in FENCE.findall(text):
        if language in SHELL:
            yield from _list_lines(block)
    rest = FENCE.sub("", text)
    for block in INDENTED.findall(rest):
        yield from _list_lines(block)
    for code in re.findall(r"`([^`\n]+)`", rest):
        first, space, _ = code.partition(" ")
        yield f"{cli.NAME} {code}" if space and first in GROUPS | COMMANDS.keys() else code


def _list_lines(block: str) -> Iterator[str]:
    yield from (line.strip().removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines())


def find_command_problem(command: str) -> str | None:
    """Returns what does not exist in a call of make or of the program; None for valid calls and for other text."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None  # prose, not a command
    for index, word in enumerate(words):
        if word in SEPARATORS:
            return find_command_problem(shlex.join(words[:index])) or find_command_problem(
                shlex.join(words[index + 1 :])
            )
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words[:1] == ["make"]:
        unknown = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word not in TARGETS]
        return f"make has no target {unknown[0]}" if unknown else None
    arguments = _find_arguments(words) if words else None
    return _find_call_problem(arguments) if arguments is not None else None


def _find_arguments(words: list[str]) -> list[str] | None:
    """Returns the arguments for the program, in each form of calling it; None for another program."""
    program = Path(words[0]).name
    if program == cli.NAME:
        return words[1:]
    if program.startswith("python") and words[1:3] == ["-m", "services.cli"]:
        return words[3:]
    if words[:2] == ["docker", "compose"] and "run" in words and "cli" in words:
        return words[words.index("cli") + 1 :]
    return None


def _find_call_problem(words: list[str]) -> str | None:
    command = ""
    while words and COMMANDS[command].is_group and not words[0].startswith("-"):
        if words[0] in {"…", "..."} or words[0].startswith(("<", "[", "{")):
            return None
        names = [f"{command} {name}".strip() for name in words[0].split("|")]
        missing = [name for name in names if name not in COMMANDS]
        if missing:
            return f"unknown command {missing[0]!r}"
        command, words = names[-1], words[1:]
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in COMMANDS[command].options]
    return f"{command!r} has no option {unknown[0]}" if unknown else None


# ------------------------------------------------------------ links


def list_anchors(page: Path) -> set[str]:
    """Returns the anchors that GitHub makes of the headings."""
    anchors: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.append(f"{anchor}-{anchors.count(anchor)}" if anchor in anchors else anchor)
    return set(anchors)


def find_broken_links(page: Path) -> list[str]:
    """Returns the links within the repository that have no target: a missing file or heading."""
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    links = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text)
    links += re.findall(r"^\[[^\]]+\]: +(\S+)", text, re.MULTILINE)
    return [link for link in links if not re.match(r"[a-z]+:", link) and not _has_target(page, link)]


def _has_target(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if page.is_relative_to(ROOT) and not target.is_relative_to(ROOT):
        return False  # the target exists on this machine only
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in list_anchors(target))


# ------------------------------------------------------------ requirements

PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[\w,.-]+\])?==\S+( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+")
"""A requirement of one version, with its hashes."""


def read_requirements(lock: Path) -> list[str]:
    """Returns the requirements, each on one line, without comments."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    plain = (" ".join(line.partition(" #")[0].split()) for line in lines if not line.lstrip().startswith("#"))
    return [line for line in plain if line]


def find_loose(lines: list[str]) -> list[str]:
    """Returns the requirements that are not pinned to one version with hashes."""
    return [line.partition(" --hash")[0] for line in lines if not PINNED.fullmatch(line)]


# ------------------------------------------------------------ tables, promises and their tests


def read_tables(text: str) -> list[list[list[str]]]:
    """Returns the tables of a page: for each the cells of the head and of the rows, without the line of dashes.

    Raises ``ValueError`` for a row that has another number of cells than its head.
    """
    tables: list[list[list[str]]] = []
    for block in re.findall(r"^(?:\|.*\|\n)+", text, re.MULTILINE):
        head, dashes, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines())
        if not all(re.fullmatch(r":?-{3,}:?", cell) for cell in dashes):
            raise ValueError(f"the table of {head} has no line of dashes below its head")
        for row in (dashes, *rows):
            if len(row) != len(head):
                raise ValueError(f"the row {row} has {len(row)} cells, but its head has {len(head)}")
        tables.append([head, *rows])
    return tables


def read_promises(text: str) -> dict[str, str]:
    """Returns the status of each promise by its number."""
    return {number: status for _, *rows in read_tables(text) for number, _, status in rows}


def is_test(file: Path) -> bool:
    """Returns whether the file is in the tests."""
    return file.is_relative_to(ROOT / "tests")


class PromiseMarker(NamedTuple):
    """One use of ``pytest.mark.promise``."""

    file: Path
    """The file."""
    line: int
    """Number of the line, from 1."""
    number: str
    """Number of the promise."""


def find_promise_markers(file: Path) -> Iterator[PromiseMarker]:
    """Yields the promises that the tests of a file prove, without running or importing the file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.promise"):
            yield from (PromiseMarker(file, node.lineno, ast.literal_eval(argument)) for argument in node.args)


# ------------------------------------------------------------ machines

# The slash is a string of its own, so that this file does not contain such a path.
MACHINE = re.compile(r"(?<![\w.}:/$-])" + "/" + r"(?:work|root|home/\w+|tmp/\w+)(?![\w-])")
"""A path that exists on one machine only."""


def find_machine_paths(text: str) -> list[str]:
    """Returns the paths that exist on one machine only."""
    return [match[0] for match in MACHINE.finditer(text)]
