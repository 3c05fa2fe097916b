"""Checks of what is written: each takes a text and says what is wrong with it."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from docs.generators import cli
from docs.generators.settings import SECRETS_OF_A_CONNECTION, all_settings

ROOT = Path(__file__).parents[1]
NOT_OURS = {"node_modules", "dist", "build", "__pycache__"}


def files(pattern: str = "*") -> list[Path]:
    """Of the repository, without what tools and the demo leave there."""
    found: set[Path] = set()
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if _is_ours(name)]
        found |= {Path(folder, name) for name in names if Path(name).match(pattern)}
    return sorted(found - {ROOT / ".env"})


def _is_ours(folder: str) -> bool:
    return folder == ".ci" or not (folder in NOT_OURS or folder.startswith(".") or folder.endswith(".egg-info"))


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


# ------------------------------------------------------------ the example of settings


def problems_of_example(text: str, also_known: frozenset[str] = frozenset()) -> list[str]:
    """What is wrong with an ``.env.example``: it names each setting once, below what it means.

    What is commented out shows its default.
    """
    defaults = {setting.name: setting.default for setting in all_settings() if setting.default is not None}
    lines = text.splitlines()
    found: list[str] = []
    problems: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        match = re.match(r"(#? ?)([A-Z][A-Z0-9_]*)=(.*)", line)
        if match is None:
            continue
        comment, name, value = match.groups()
        found.append(name)
        if not re.match(r"# ?\w", before) or re.match(r"# ?[A-Z][A-Z0-9_]*=", before):
            problems.append(f"{name} has no description above it")
        if comment and value != defaults.get(name, value):
            problems.append(f"{name} is {value}, and by default {defaults[name]}")
    names = {setting.name for setting in all_settings()}
    files_of_secrets = {f"{setting.name}_FILE" for setting in all_settings() if setting.secret}
    known = names | files_of_secrets | SECRETS_OF_A_CONNECTION.keys() | also_known
    problems += [f"{name} is missing" for name in sorted(names - {*found})]
    problems += [f"{name} is no setting" for name in sorted({*found} - known)]
    return problems + [f"{name} stands there twice" for name in sorted({*found}) if found.count(name) > 1]


# ------------------------------------------------------------ commands

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"", "sh", "bash", "shell", "console", "text"}
BETWEEN = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1"}
COMMANDS = {" ".join(command.words[1:]): command for command in cli.commands()}
GROUPS = {words for words, command in COMMANDS.items() if command.is_group and words}
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands_in(text: str) -> Iterator[str]:
    """Lines of code blocks, and code in the running text, where our program's name may be left out."""
    for language, block in FENCE.findall(text):
        if language in SHELL:
            yield from (line.strip().removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines())
    for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        first, blank, _ = code.partition(" ")
        yield f"{cli.NAME} {code}" if blank and first in GROUPS else code


def problem_of(command: str) -> str | None:
    """What does not exist of a call of make or of our command line; None also for what is neither."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None  # prose, not a command
    for index, word in enumerate(words):
        if word in BETWEEN:
            return problem_of(shlex.join(words[:index])) or problem_of(shlex.join(words[index + 1 :]))
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words[:1] == ["make"]:
        wrong = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word not in TARGETS]
        return f"make has no target {wrong[0]}" if wrong else None
    ours = _after_our_name(words) if words else None
    return _problem_of_call(ours) if ours is not None else None


def _after_our_name(words: list[str]) -> list[str] | None:
    """The arguments for our command line, however it is called."""
    program = Path(words[0]).name
    if program == cli.NAME:
        return words[1:]
    if program.startswith("python") and words[1:3] == ["-m", "services.cli"]:
        return words[3:]
    if words[:2] == ["docker", "compose"] and "run" in words and "cli" in words:
        return words[words.index("cli") + 1 :]
    return None


def _problem_of_call(words: list[str]) -> str | None:
    called = ""
    while words and COMMANDS[called].is_group and not words[0].startswith("-"):
        if words[0] in {"…", "..."} or words[0].startswith(("<", "[", "{")):
            return None
        wanted = [f"{called} {name}".strip() for name in words[0].split("|")]
        missing = [each for each in wanted if each not in COMMANDS]
        if missing:
            return f"there is no command {missing[0]!r}"
        called, words = wanted[-1], words[1:]
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in COMMANDS[called].options]
    return f"{called!r} has no option {unknown[0]}" if unknown else None


# ------------------------------------------------------------ links


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of the headings."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def broken_links(page: Path) -> list[str]:
    """Links within the repository that lead to no file, or to no heading of it."""
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    links = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text)
    links += re.findall(r"^\[[^\]]+\]: +(\S+)", text, re.MULTILINE)
    return [link for link in links if not re.match(r"[a-z]+:", link) and not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if page.is_relative_to(ROOT) and not target.is_relative_to(ROOT):
        return False  # on another machine it leads nowhere
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


# ------------------------------------------------------------ requirements

PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[\w,.-]+\])?==\S+( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+")


def requirements(lock: Path) -> list[str]:
    """Each on one line, without comments."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    plain = (" ".join(line.partition(" #")[0].split()) for line in lines if not line.lstrip().startswith("#"))
    return [line for line in plain if line]


def loose(lines: list[str]) -> list[str]:
    """Those that are not one version with its hashes."""
    return [line.partition(" --hash")[0] for line in lines if not PINNED.fullmatch(line)]


# ------------------------------------------------------------ machines

# the slash stands apart, so that this file does not name them either
MACHINE = re.compile(r"(?<![\w.}:/$-])" + "/" + r"(?:work|root|home/\w+|tmp/\w+)(?![\w-])")


def machine_paths(text: str) -> list[str]:
    return [match[0] for match in MACHINE.finditer(text)]
