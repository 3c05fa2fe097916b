"""The documentation agrees with the code: generated pages, settings, topics, commands, links, promises, requirements."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic_settings import BaseSettings

import services
from docs.generate import DOCUMENTS
from docs.generators import cli
from docs.generators.mappings import examples, german
from docs.generators.mappings.meanings import read_meanings
from docs.generators.mappings.page import ENGLISH, GERMAN, Language, generate
from docs.generators.mappings.translations import Translation, compute_fingerprint, find_translation_problems
from docs.generators.settings import CONNECTION_SECRETS, READERS, list_settings
from services.admin.mapping.documents import format_document, parse_document
from services.cli.inputs import DECLAREE_KEY, PERSONIO_SECRET
from services.contracts.dead_letters import DeadLetterReason
from services.contracts.drift import DriftKind
from services.contracts.events import EVENTS, Event
from services.contracts.topics import OUTSIDE, ROLES, Topic
from services.contracts.transforms import Transform
from services.runtime.environment import read_secret_files
from services.runtime.metrics import Metrics
from services.store.contents import CONTENTS
from tests.support.documentation import (
    COMMANDS,
    ROOT,
    find_broken_links,
    find_command_problem,
    find_commands,
    find_example_problems,
    find_loose,
    find_machine_paths,
    find_promise_markers,
    format_path,
    is_test,
    list_files,
    read_promises,
    read_requirements,
    read_tables,
)

PAGES = list_files("*.md")


# ------------------------------------------------------------ generated pages


@pytest.mark.parametrize("name", DOCUMENTS)
def test_generated_page_is_current(name: str) -> None:
    """A page must not be older than the code."""
    file = ROOT / "docs" / name
    page = file.read_text(encoding="utf-8") if file.exists() else ""

    assert page == DOCUMENTS[name](), f"docs/{name} is older than the code: run `make docs`"


def test_mappings_on_the_page_can_be_imported() -> None:
    """Readers copy the examples."""
    documents = re.findall(r"^```json\n(.*?)^```$", DOCUMENTS["mappings.md"](), re.MULTILINE | re.DOTALL)

    assert [format_document(parse_document(document)) + "\n" for document in documents] == documents
    assert len(documents) == 2


def test_transforms_and_fields_of_a_mapping_have_a_meaning() -> None:
    """The page about mappings is the reference for administrators."""
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(Transform)[0])}

    assert {transform.kind for transform, _ in examples.TRANSFORMS} == kinds
    assert [key for key, text in ENGLISH.texts.items() if not text] == []


def test_german_texts_translate_the_english_ones() -> None:
    """A text that changes in English alone would tell German administrators something else."""
    assert list(find_translation_problems(ENGLISH.texts, german.TRANSLATIONS)) == []


def test_check_of_translations_finds_problems() -> None:
    """The check itself must work."""
    old, new = compute_fingerprint("old"), compute_fingerprint("new")

    def check(**translations: str) -> list[str]:
        return list(
            find_translation_problems(
                {"Rule.target": "new"}, {key: Translation(of, "Text") for key, of in translations.items()}
            )
        )

    assert check(**{"Rule.target": new}) == []
    assert check() == [f"Rule.target has no translation: add one with the fingerprint {new}"]
    assert check(**{"Rule.target": old}) == [
        f"the English text of Rule.target has changed: correct the translation and set its fingerprint to {new}"
    ]
    assert check(**{"Rule.target": new, "Rule.source": old}) == [
        "Rule.source has a translation, but no English text: remove the translation"
    ]


def test_page_without_a_translation_is_not_generated() -> None:
    """A developer that adds a transform learns from ``make docs`` which text is missing."""
    incomplete = Language("de", {key: text for key, text in GERMAN.texts.items() if key != "Rule.target"})

    with pytest.raises(ValueError, match=r"^the page in the language de lacks Rule\.target: translate"):
        generate(incomplete)


def test_german_page_has_each_place_of_the_english_one() -> None:
    """A table, an example or a limit that the German page leaves out is not found by its readers."""
    english_places, german_places = (
        Template(language.texts["page"]).get_identifiers() for language in (ENGLISH, GERMAN)
    )

    assert sorted(german_places) == sorted(english_places)


@pytest.mark.parametrize(("name", "language"), [("mappings.md", ENGLISH), ("mappings.de.md", GERMAN)])
def test_page_shows_every_meaning_in_its_language(name: str, language: Language) -> None:
    """A text that no page shows would be translated for nothing."""
    page = DOCUMENTS[name]()

    assert [key for key in read_meanings() if language.texts[key] not in page] == []


def test_help_of_commands_is_the_same_on_any_terminal() -> None:
    """The generated page must not depend on the terminal of the developer."""
    terminal = {"COLUMNS": "40", "TERMINAL_WIDTH": "40", "FORCE_COLOR": "1", "TERM": "xterm-256color", "LANG": "C"}

    process = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", "from docs.generators.cli import generate; print(generate(), end='')"],
        env={**os.environ, **terminal},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert process.stdout == cli.generate()
    assert "\x1b" not in process.stdout


def test_every_metric_is_on_the_page() -> None:
    """An operator must find what a metric means."""
    lines = DOCUMENTS["metrics.md"]().splitlines()

    for metric in Metrics().registry.collect():
        assert len([line for line in lines if metric.documentation in line and f"`{metric.name}" in line]) == 1


# ------------------------------------------------------------ settings


def find_settings_classes() -> Iterator[type[BaseSettings]]:
    """Yields the settings classes of the services and of the commands."""
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


def test_settings_of_every_service_are_documented() -> None:
    """A new settings class must appear on the page."""
    assert set(find_settings_classes()) == set(READERS.values())


def test_every_setting_has_a_meaning() -> None:
    """The meaning is a sentence that starts with a capital."""
    assert [setting.name for setting in list_settings() if not setting.meaning[:1].isupper()] == []


def test_setting_of_one_service_has_its_prefix() -> None:
    """The name shows which service reads the setting."""
    prefixes = {"poller": "POLL_", "mapper": "MAPPER_", "writer": "WRITER_"}
    alone = {setting.name: setting.read_by[0] for setting in list_settings() if len(setting.read_by) == 1}

    assert alone
    assert {name: reader for name, reader in alone.items() if not name.startswith(prefixes[reader])} == {}


def test_shared_setting_is_the_same_in_all_services() -> None:
    """One environment serves all services."""
    agreed: dict[str, object] = {}
    for settings in READERS.values():
        for name, schema in settings.model_json_schema()["properties"].items():
            assert agreed.setdefault(name, schema) == schema, name


@pytest.mark.parametrize(
    ("name", "reader"), [(setting.name, setting.read_by[0]) for setting in list_settings() if setting.secret]
)
def test_secret_can_come_from_a_file(name: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container engines mount secrets as files."""
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    for setting in list_settings():
        monkeypatch.delenv(setting.name, raising=False)
        monkeypatch.delenv(f"{setting.name}_FILE", raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))

    assert read_secret_files(READERS[reader]) == {name.lower(): "from the file"}


def read_compose_variables() -> frozenset[str]:
    """Returns the variables of the containers, such as images and ports. They are not settings of a service."""
    file = ROOT / "docker-compose.yml"
    return (
        frozenset(re.findall(r"\$\{([A-Z0-9_]+)", file.read_text(encoding="utf-8"))) if file.exists() else frozenset()
    )


def test_example_lists_every_setting() -> None:
    """`.env.example` is the starting point of every installation."""
    file = ROOT / ".env.example"

    assert file.exists(), ".env.example is missing: it lists all settings"
    assert find_example_problems(file.read_text(encoding="utf-8"), read_compose_variables()) == []


def test_check_of_the_example_finds_mistakes() -> None:
    """The check itself must work."""
    valid = "".join(f"# Meaning\n# {setting.name}={setting.default or ''}\n\n" for setting in list_settings())
    incomplete = valid.replace("# Meaning\n# LOG_LEVEL=INFO\n", "")
    other_default = valid.replace("# LOG_LEVEL=INFO", "# LOG_LEVEL=DEBUG")
    undescribed = valid.replace("# Meaning\n# LOG_LEVEL", "LOG_LEVEL")

    assert find_example_problems(valid) == []
    assert find_example_problems(incomplete) == ["LOG_LEVEL is missing"]
    assert find_example_problems(valid + "# Colour\nCOLOUR=red\n") == ["COLOUR is not a setting"]
    assert find_example_problems(valid + "# Colour\nCOLOUR=red\n", frozenset({"COLOUR"})) == []
    assert find_example_problems(valid + "# Twice\nLOG_LEVEL=INFO\n") == ["LOG_LEVEL is there twice"]
    assert find_example_problems(other_default) == ["LOG_LEVEL is DEBUG, but its default is INFO"]
    assert find_example_problems(valid.replace("# LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG")) == []
    assert find_example_problems(undescribed) == ["LOG_LEVEL has no description above it"]


def test_documented_secrets_are_those_of_the_commands() -> None:
    """The page names the variables that the commands read."""
    assert {PERSONIO_SECRET.variable, DECLAREE_KEY.variable} == set(CONNECTION_SECRETS)


# ------------------------------------------------------------ topics

SERVICES = {name for _, name, _ in pkgutil.iter_modules(services.__path__)}


@pytest.mark.parametrize("topic", Topic)
def test_topic_has_an_existing_writer_and_reader(topic: Topic) -> None:
    """The roles name services and commands that exist."""
    role = ROLES[topic]

    assert role.written_by
    assert role.read_by
    assert {*role.written_by, *role.read_by} - SERVICES - COMMANDS.keys() - {OUTSIDE} == set()
    assert OUTSIDE not in role.written_by


@pytest.mark.parametrize("event", EVENTS)
def test_writer_of_a_topic_is_the_source_of_its_events(event: type[Event]) -> None:
    """The first writer of a topic makes its events."""
    assert event.ce_source.rpartition("/")[2] == ROLES[event.topic].written_by[0]
    assert ROLES[event.topic].carries == event.__name__


def test_services_subscribe_to_their_documented_topics() -> None:
    """The roles and the code must agree."""
    documented = {
        (topic.name, reader) for topic, role in ROLES.items() for reader in role.read_by if reader in SERVICES
    }

    subscribed = {
        (topic, file.parts[len(ROOT.parts) + 1])
        for file in list_files("*.py")
        if format_path(file).startswith("services/")
        for topic in re.findall(r"source=Topic\.([A-Z_]+)", file.read_text(encoding="utf-8"))
    }

    assert subscribed == documented


# ------------------------------------------------------------ commands


@pytest.mark.parametrize("page", PAGES, ids=format_path)
def test_commands_on_a_page_exist(page: Path) -> None:
    """Readers copy the commands."""
    problems = {command: find_command_problem(command) for command in find_commands(page.read_text(encoding="utf-8"))}

    assert {command: problem for command, problem in problems.items() if problem} == {}


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
        ("personio-declaree state", "unknown command 'state'"),
        ("personio-declaree connections ad NAME", "unknown command 'connections ad'"),
        ("docker compose run --rm cli mapping polish", "unknown command 'mapping polish'"),
        ("personio-declaree dead-letters list|retry", None),
        ("personio-declaree dead-letters list|burn", "unknown command 'dead-letters burn'"),
        ("personio-declaree poll 7 --dry", "'poll' has no option --dry"),
        ("personio-declaree replay --since=2026-01-01 --everything", "'replay' has no option --everything"),
        ("it's not a command", None),
        ("mapping", None),
        ("git status", None),
    ],
)
def test_check_of_commands_finds_unknown_ones(command: str, problem: str | None) -> None:
    """The check itself must work."""
    assert find_command_problem(command) == problem


def test_check_of_commands_reads_blocks_and_text() -> None:
    """Commands are in blocks of code and within sentences."""
    blocks = "```sh\n$ make b\nmake c \\\n  d\n```\n\n```python\nmake = 1\n```\n\n    make e  # once\n"
    text = f"See `make a`, `people show 7` and `poll 7`.\n\n{blocks}"

    assert [" ".join(command.split()) for command in find_commands(text)] == [
        "make b",
        "make c d",
        "make e # once",
        "make a",
        "personio-declaree people show 7",
        "personio-declaree poll 7",
    ]


# ------------------------------------------------------------ drills and troubles


def test_findings_of_a_verification_are_those_of_the_page() -> None:
    """Each kind with its text, and with the way in which it is repaired."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (rows,) = [rows for (head, *rows) in read_tables(page) if head[0] == "finding"]

    def describe(kind: DriftKind) -> str:
        return "always" if kind.is_repaired_always else "with `--repair`" if kind.is_repairable else "by a person"

    assert rows == [[f"`{kind.value}`", kind.text, describe(kind)] for kind in DriftKind]


def test_reasons_of_dead_letters_are_those_of_the_page() -> None:
    """An operator looks up the reason that `dead-letters list` prints."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (rows,) = [rows for (head, *rows) in read_tables(page) if head[0] == "reason"]

    documented = [reason.strip("` ") for row in rows for reason in row[0].split(",")]

    assert documented == [reason.value for reason in DeadLetterReason]


def test_tables_of_drills_and_troubles_list_the_tests() -> None:
    """Every drill and every trouble has a test, and each of these tests is in its table."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\|.*\| `(test_\w+)` \|$", page, re.MULTILINE)

    tests = [
        name
        for pattern in ("test_drills*.py", "test_troubles*.py")
        for file in sorted((ROOT / "tests" / "e2e").glob(pattern))
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert documented == tests


# ------------------------------------------------------------ personal data


def test_privacy_page_lists_every_collection_and_topic() -> None:
    """A new place has to state which personal data it holds, and for how long."""
    tables = read_tables((ROOT / "docs" / "privacy.md").read_text(encoding="utf-8"))
    rows = {head[0]: [row[0].strip("`") for row in rows] for head, *rows in tables}

    assert sorted(rows["collection"]) == sorted(content.collection for content in CONTENTS)
    assert sorted(rows["topic"]) == sorted(topic.value for topic in Topic)


# ------------------------------------------------------------ promises and words

PROMISES = read_promises((ROOT / "docs" / "promises.md").read_text(encoding="utf-8"))
MARKERS = [marker for file in list_files("*.py") if is_test(file) for marker in find_promise_markers(file)]


def test_numbers_of_promises_are_unique() -> None:
    """A number names one promise, so each row of the tables is one entry."""
    rows = re.findall(r"^\| ([PW]\d+) \|", (ROOT / "docs" / "promises.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == list(PROMISES)


@pytest.mark.parametrize("number", [number for number, status in PROMISES.items() if status.startswith("kept")])
def test_kept_promise_has_a_test(number: str) -> None:
    """A promise without a test is a wish."""
    assert number in {marker.number for marker in MARKERS}


def test_promise_of_a_test_is_on_the_page() -> None:
    """A marker with a wrong number would prove nothing."""
    assert [marker for marker in MARKERS if marker.number not in PROMISES] == []


def test_promise_markers_are_found_in_every_form(tmp_path: Path) -> None:
    """Markers are on functions, on parameters and on whole modules."""
    file = tmp_path / "test_sample.py"
    file.write_text(
        'pytestmark = pytest.mark.promise("P1")\n\n\n'
        '@pytest.mark.promise("P2", "W3")\n'
        '@pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.promise("P4"))])\n'
        "async def test_sample(a: int) -> None: ...\n",
        encoding="utf-8",
    )

    assert sorted(marker.number for marker in find_promise_markers(file)) == ["P1", "P2", "P4", "W3"]


def test_glossary_has_one_entry_for_each_term() -> None:
    """The tables parse, and a term has one meaning."""
    tables = read_tables((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))

    terms = [term for head, *rows in tables for row in rows for term in row[0].split("; ")]

    assert {head[0] for head, *_ in tables} == {"term"}
    assert {head[-1] for head, *_ in tables} == {"not called"}
    assert [term for term in terms if not term or terms.count(term) > 1] == []


@pytest.mark.parametrize("text", ["| a | b |\n| --- | --- |\n| c |\n", "| a | b |\n| c | d |\n"])
def test_malformed_table_is_an_error(text: str) -> None:
    """The check itself must work."""
    with pytest.raises(ValueError, match=r"^the (row|table)"):
        read_tables(text)


# ------------------------------------------------------------ links


@pytest.mark.parametrize("page", PAGES, ids=format_path)
def test_links_of_a_page_have_a_target(page: Path) -> None:
    """A link to a missing file or heading helps no reader."""
    assert find_broken_links(page) == []


def test_check_of_links_finds_broken_ones(tmp_path: Path) -> None:
    """The check itself must work."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: Three\n[a](#one-two-three) [b](#four) [c](page.md) [d](https://example.com/x) [e](other.md)\n"
        "```\n[not](a-link)\n```\n`[nor](this)`\n[f]: missing.md\n",
        encoding="utf-8",
    )

    assert find_broken_links(page) == ["#four", "other.md", "missing.md"]


# ------------------------------------------------------------ requirements

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=format_path)
def test_requirements_are_pinned_with_hashes(lock: Path) -> None:
    """An installation gets exactly the packages that were tested."""
    assert read_requirements(lock)
    assert find_loose(read_requirements(lock)) == []


@pytest.mark.parametrize("lock", LOCKS, ids=format_path)
def test_requirements_contain_no_address(lock: Path) -> None:
    """The package index is a setting of the machine, not of the project."""
    text = lock.read_text(encoding="utf-8")
    addresses = ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", "\n-i ", "\n-f ")

    assert [address for address in addresses if address in f"\n{text}"] == []


def test_check_of_requirements_finds_loose_ones() -> None:
    """The check itself must work."""
    digest = "--hash=sha256:" + "0" * 64
    pinned = [f"a==1 {digest}", f"b-c[x,y]==1.2.post1 ; python_version >= '3.11' {digest} {digest}"]
    loose = ["a==1", f"a>=1 {digest}", "a", "-e .", f"a==1 {digest[:-1]}", f"a @ file:///a.whl {digest}"]

    assert find_loose([*pinned, *loose]) == [line.partition(" --hash")[0] for line in loose]


def test_locks_contain_every_dependency() -> None:
    """The pinned version must satisfy `pyproject.toml`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {"runtime": project["project"]["dependencies"], **project["dependency-groups"]}
    problems = []

    for lock, dependencies in groups.items():
        file = ROOT / "requirements" / f"{lock}.txt"
        pinned = (
            [Requirement(line.partition(" --hash")[0]) for line in read_requirements(file)] if file.exists() else []
        )
        versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}
        for dependency in map(Requirement, dependencies):
            version = versions.get(canonicalize_name(dependency.name))
            if version is None or not dependency.specifier.contains(version):
                problems.append(f"requirements/{lock}.txt has {version} for {dependency}: run `make lock`")

    assert problems == []


# ------------------------------------------------------------ machines

CONTAINERS = re.compile(r"Dockerfile|compose", re.IGNORECASE)


def read_text(file: Path) -> str:
    """Returns the content; an empty string for a binary file."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_contains_a_path_of_a_machine() -> None:
    """Such a path works on one machine only."""
    machine_paths = {
        format_path(file): paths
        for file in list_files()
        if not CONTAINERS.search(format_path(file)) and (paths := find_machine_paths(read_text(file)))
    }

    assert machine_paths == {}


def test_check_of_paths_finds_them() -> None:
    """The check itself must work."""
    slash = "/"

    for path in ("root", "work", "home/ada", "tmp/thing"):
        assert find_machine_paths(f"look into {slash}{path} or {slash}{path}/x") == [slash + path] * 2
    assert find_machine_paths(f"a{slash}work b/{slash}tmp {slash}workshop http:/{slash}root {slash}tmp") == []
