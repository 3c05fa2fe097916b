"""What is written about the product is true: generated pages, settings, topics, commands, links, requirements."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic_settings import BaseSettings

import services
from docs.generate import DOCUMENTS
from docs.generators import cli, mappings
from docs.generators.settings import READERS, SECRETS_OF_A_CONNECTION, all_settings
from services.admin.mappings import as_document, read
from services.cli.entered import DECLAREE_KEY, PERSONIO_SECRET
from services.contracts.events import EVENTS, Event
from services.contracts.mappings import Mapping, Rule, Transform
from services.contracts.topics import OUTSIDE, ROLES, Topic
from services.runtime.metrics import Metrics
from services.runtime.settings import read_secret_files
from tests.documentation import (
    COMMANDS,
    ROOT,
    broken_links,
    commands_in,
    files,
    loose,
    machine_paths,
    problem_of,
    problems_of_example,
    requirements,
    shown,
)

PAGES = files("*.md")


# ------------------------------------------------------------ generated pages


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_generated_page_is_current(name: str) -> None:
    file = ROOT / "docs" / name
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    assert written == DOCUMENTS[name](), f"docs/{name} is behind the code: run `make docs`"


def test_a_mapping_that_the_page_shows_can_be_imported() -> None:
    documents = re.findall(r"^```json\n(.*?)^```$", mappings.text(), re.MULTILINE | re.DOTALL)
    assert [as_document(read(document)) + "\n" for document in documents] == documents
    assert len(documents) == 2


def test_every_transform_and_every_field_of_a_mapping_has_a_meaning_on_the_page() -> None:
    shown = {transform.kind for transform, _ in mappings.SHOWN}
    kinds = get_args(get_args(Transform)[0])
    assert shown == {kind.model_fields["kind"].default for kind in kinds}
    for model in (Mapping, Rule):
        assert all(field.description for field in model.model_fields.values())
    assert all(kind.__doc__ for kind in kinds)


def test_the_help_of_commands_is_the_same_on_any_terminal() -> None:
    terminal = {"COLUMNS": "40", "TERMINAL_WIDTH": "40", "FORCE_COLOR": "1", "TERM": "xterm-256color", "LANG": "C"}
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", "from docs.generators.cli import text; print(text(), end='')"],
        env={**os.environ, **terminal},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == cli.text()
    assert "\x1b" not in done.stdout


def test_every_metric_has_its_line() -> None:
    lines = DOCUMENTS["metrics.md"]().splitlines()
    for metric in Metrics().registry.collect():
        assert len([line for line in lines if metric.documentation in line and f"`{metric.name}" in line]) == 1


# ------------------------------------------------------------ settings


def settings_of_services() -> Iterator[type[BaseSettings]]:
    for package in pkgutil.iter_modules(services.__path__, "services."):
        if package.name == "services.runtime" or not package.ispkg:
            continue
        for module in pkgutil.iter_modules(importlib.import_module(package.name).__path__, f"{package.name}."):
            if module.name.endswith((".settings", ".context")):
                members = vars(importlib.import_module(module.name)).values()
                yield from (
                    member
                    for member in members
                    if isinstance(member, type)
                    and issubclass(member, BaseSettings)
                    and member.__module__ == module.name
                )


def test_the_settings_of_every_service_are_documented() -> None:
    assert set(settings_of_services()) == set(READERS.values())


def test_every_setting_has_a_meaning() -> None:
    assert [setting.name for setting in all_settings() if not setting.meaning[:1].isupper()] == []


def test_a_setting_that_one_service_alone_reads_has_its_prefix() -> None:
    prefixes = {"poller": "POLL_", "mapper": "MAPPER_", "writer": "WRITER_"}
    alone = {setting.name: setting.read_by[0] for setting in all_settings() if len(setting.read_by) == 1}
    assert alone
    assert {name: reader for name, reader in alone.items() if not name.startswith(prefixes[reader])} == {}


def test_a_setting_means_the_same_to_all_who_read_it() -> None:
    agreed: dict[str, object] = {}
    for settings in READERS.values():
        for name, described in settings.model_json_schema()["properties"].items():
            assert agreed.setdefault(name, described) == described, name


@pytest.mark.parametrize("name", [setting.name for setting in all_settings() if setting.secret])
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    for setting in all_settings():
        monkeypatch.delenv(f"{setting.name}_FILE", raising=False)
    monkeypatch.setenv(name, "to be restored")
    monkeypatch.delenv(name)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    read_secret_files()
    assert os.environ[name] == "from the file"


def read_by_compose() -> frozenset[str]:
    """Variables that choose images, ports and the like for the containers, and are no setting of a service."""
    file = ROOT / "docker-compose.yml"
    return (
        frozenset(re.findall(r"\$\{([A-Z0-9_]+)", file.read_text(encoding="utf-8"))) if file.exists() else frozenset()
    )


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    file = ROOT / ".env.example"
    assert file.exists(), "the list of all settings, .env.example, does not exist"
    assert problems_of_example(file.read_text(encoding="utf-8"), read_by_compose()) == []


def test_the_check_of_the_example_finds_what_is_wrong() -> None:
    good = "".join(f"# What it means\n# {setting.name}={setting.default or ''}\n\n" for setting in all_settings())
    assert problems_of_example(good) == []
    without = good.replace("# What it means\n# LOG_LEVEL=INFO\n", "")
    assert problems_of_example(without) == ["LOG_LEVEL is missing"]
    assert problems_of_example(good + "# Colour\nCOLOUR=red\n") == ["COLOUR is no setting"]
    assert problems_of_example(good + "# Colour\nCOLOUR=red\n", frozenset({"COLOUR"})) == []
    assert problems_of_example(good + "# Twice\nLOG_LEVEL=INFO\n") == ["LOG_LEVEL stands there twice"]
    another = good.replace("# LOG_LEVEL=INFO", "# LOG_LEVEL=DEBUG")
    assert problems_of_example(another) == ["LOG_LEVEL is DEBUG, and by default INFO"]
    assert problems_of_example(good.replace("# LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG")) == []
    bare = good.replace("# What it means\n# LOG_LEVEL", "LOG_LEVEL")
    assert problems_of_example(bare) == ["LOG_LEVEL has no description above it"]


def test_the_secrets_of_a_connection_are_those_that_its_commands_read() -> None:
    assert {PERSONIO_SECRET.variable, DECLAREE_KEY.variable} == set(SECRETS_OF_A_CONNECTION)


# ------------------------------------------------------------ topics

SERVICES = {name for _, name, _ in pkgutil.iter_modules(services.__path__)}


@pytest.mark.parametrize("topic", Topic)
def test_every_topic_has_a_writer_and_a_reader_that_exist(topic: Topic) -> None:
    role = ROLES[topic]
    assert role.written_by
    assert role.read_by
    assert {*role.written_by, *role.read_by} - SERVICES - COMMANDS.keys() - {OUTSIDE} == set()
    assert OUTSIDE not in role.written_by


@pytest.mark.parametrize("event", EVENTS)
def test_the_writer_of_a_topic_is_the_source_of_its_events(event: type[Event]) -> None:
    assert event.ce_source.rpartition("/")[2] == ROLES[event.topic].written_by[0]
    assert ROLES[event.topic].carries == event.__name__


def test_services_subscribe_to_the_topics_that_they_are_said_to_read() -> None:
    said = {(topic.name, who) for topic, role in ROLES.items() for who in role.read_by if who in SERVICES}
    found = {
        (topic, file.parts[len(ROOT.parts) + 1])
        for file in files("*.py")
        if shown(file).startswith("services/")
        for topic in re.findall(r"source=Topic\.([A-Z_]+)", file.read_text(encoding="utf-8"))
    }
    assert found == said


# ------------------------------------------------------------ commands


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_commands_that_a_page_tells_exist(page: Path) -> None:
    told = {command: problem_of(command) for command in commands_in(page.read_text(encoding="utf-8"))}
    assert {command: problem for command, problem in told.items() if problem} == {}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make test", None),
        ("make PYTHON=/usr/bin/python3.12 demo  # once", None),
        ("make tset", "make has no target tset"),
        ("personio-declaree status --json", None),
        (".venv/bin/personio-declaree poll CONNECTION --dry-run", None),
        ("python -m services.cli people show 7 4711 | less", None),
        ("docker compose run --rm cli connections list", None),
        ("KAFKA_TOPIC_PREFIX=x personio-declaree init && make tset", "make has no target tset"),
        ("personio-declaree state", "there is no command 'state'"),
        ("personio-declaree connections ad NAME", "there is no command 'connections ad'"),
        ("docker compose run --rm cli mapping publish", "there is no command 'mapping publish'"),
        ("personio-declaree dead-letters list|retry", None),
        ("personio-declaree dead-letters list|burn", "there is no command 'dead-letters burn'"),
        ("personio-declaree poll 7 --dry", "'poll' has no option --dry"),
        ("personio-declaree replay --since=2026-01-01 --everything", "'replay' has no option --everything"),
        ("it's no command", None),
        ("mapping", None),
        ("git status", None),
    ],
)
def test_the_check_of_commands_finds_what_does_not_exist(command: str, problem: str | None) -> None:
    assert problem_of(command) == problem


def test_the_check_of_commands_looks_into_blocks_and_into_the_text() -> None:
    text = "See `make a`, `people show 7`.\n\n```sh\n$ make b\nmake c \\\n  d\n```\n\n```python\nmake = 1\n```\n"
    assert [" ".join(command.split()) for command in commands_in(text)] == [
        "make b",
        "make c d",
        "make a",
        "personio-declaree people show 7",
    ]


# ------------------------------------------------------------ troubles


def test_every_trouble_in_the_table_is_tested_and_every_tested_one_is_in_the_table() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told = re.findall(r"^\|.*\| `(test_\w+)` \|$", page, re.MULTILINE)
    tested = [
        name
        for file in sorted((ROOT / "tests" / "e2e").glob("test_troubles*.py"))
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert told == tested


# ------------------------------------------------------------ links


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_the_check_of_links_finds_those_that_lead_nowhere(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: Three\n[a](#one-two-three) [b](#four) [c](page.md) [d](https://example.com/x) [e](other.md)\n"
        "```\n[not](a-link)\n```\n`[nor](this)`\n[f]: missing.md\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["#four", "other.md", "missing.md"]


# ------------------------------------------------------------ requirements

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=shown)
def test_every_requirement_is_pinned_with_hashes(lock: Path) -> None:
    assert requirements(lock)
    assert loose(requirements(lock)) == []


@pytest.mark.parametrize("lock", LOCKS, ids=shown)
def test_requirements_hold_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    addresses = ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", "\n-i ", "\n-f ")
    assert [address for address in addresses if address in f"\n{text}"] == []


def test_the_check_of_requirements_finds_what_is_loose() -> None:
    digest = "--hash=sha256:" + "0" * 64
    good = [f"a==1 {digest}", f"b-c[x,y]==1.2.post1 ; python_version >= '3.11' {digest} {digest}"]
    bad = ["a==1", f"a>=1 {digest}", "a", "-e .", f"a==1 {digest[:-1]}", f"a @ file:///a.whl {digest}"]
    assert loose([*good, *bad]) == [line.partition(" --hash")[0] for line in bad]


def test_the_locks_hold_every_dependency_in_a_version_that_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {"runtime": project["project"]["dependencies"], **project["dependency-groups"]}
    wrong = []
    for lock, dependencies in asked.items():
        file = ROOT / "requirements" / f"{lock}.txt"
        pinned = [Requirement(line.partition(" --hash")[0]) for line in requirements(file)] if file.exists() else []
        versions = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in pinned}
        for wanted in map(Requirement, dependencies):
            version = versions.get(canonicalize_name(wanted.name))
            if version is None or not wanted.specifier.contains(version):
                wrong.append(f"requirements/{lock}.txt: {wanted} ({version}); run `make lock`")
    assert wrong == []


# ------------------------------------------------------------ machines

CONTAINERS = re.compile(r"Dockerfile|compose", re.IGNORECASE)


def text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = {
        shown(file): paths
        for file in files()
        if not CONTAINERS.search(shown(file)) and (paths := machine_paths(text_of(file)))
    }
    assert found == {}


def test_the_check_of_paths_finds_them() -> None:
    slash = "/"
    for path in ("root", "work", "home/ada", "tmp/thing"):
        assert machine_paths(f"look into {slash}{path} or {slash}{path}/x") == [slash + path] * 2
    assert machine_paths(f"a{slash}work b/{slash}tmp {slash}workshop http:/{slash}root {slash}tmp") == []
