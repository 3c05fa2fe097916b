"""The texts of each command in its usual situations, compared with ``tests/golden/cli``."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import Result

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.directory import Entry
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.organisation import OFFICES
from sandbox.personio.state import State
from services.admin.mapping.documents import parse_examples
from services.cli.context import CliSettings
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.cloudevents import Record, SendReason, to_record
from services.contracts.connections import ConnectionState
from services.contracts.dead_letters import DeadLetter
from services.contracts.drift import DriftKind
from services.contracts.employees import REQUIRED_ATTRIBUTES
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Outcome
from services.contracts.targets import ENTERPRISE
from services.contracts.topics import Topic
from services.runtime.kafka.publisher import Publisher
from services.store.database import Store, open_store
from tests.component.cli.conftest import (
    Serve,
    add_connection,
    record_task,
    store_attention,
    store_odd_employee,
    store_report,
)
from tests.support.builders import (
    ADA,
    CONNECTION,
    NOW,
    make_change,
    make_entry,
    make_outcome,
    make_pinned,
    make_snapshot,
)
from tests.support.command_line import ADD_CONNECTION, KEY, SECRET, SECRETS, Cli, Transcript
from tests.support.keys import make_key

pytestmark = pytest.mark.mongo

TOPIC_PREFIXES = {r"\bt[0-9a-f]{6}-": ""}
RECORD_TIMES = {r"recorded \d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "recorded TIME"}


def read_settings(cli: Cli) -> CliSettings:
    """Returns the settings of the commands."""
    return CliSettings.model_validate({name.lower(): value for name, value in cli.environment.items()})


async def publish(cli: Cli, *records: Record) -> None:
    """Publishes records to the topics that the commands use."""
    publisher = Publisher(read_settings(cli), "test")
    await publisher.start()
    try:
        assert await publisher.publish(records) == ()
    finally:
        await publisher.stop()


# ------------------------------------------------------------ connections


def test_texts_of_connections_add_and_list(cli: Cli) -> None:
    """The reminder about Declaree's own connector follows the id of a new connection."""
    add, list_ = Transcript(cli), Transcript(cli)

    list_.record("No connection.", "connections", "list")
    add.record("Secrets from the prompt.", *ADD_CONNECTION, stdin=f"{SECRET}\n{KEY}\n")
    add.record("The same accounts again.", *ADD_CONNECTION, **SECRETS)
    add.record("The same Declaree with the same prefix.", *ADD_CONNECTION, "--personio-client-id", "papi-2", **SECRETS)
    list_.record("A connection.", "connections", "list")

    add.compare("connections-add")
    list_.compare("connections-list")


def test_texts_of_connections_pause_and_resume(cli: Cli, connection: ConnectionId) -> None:
    """The commands print the new state."""
    pause, resume = Transcript(cli), Transcript(cli)

    pause.record("An active connection.", "connections", "pause", connection)
    resume.record("A paused connection.", "connections", "resume", connection)
    new = add_connection(cli, "--external-id-prefix", "new-", "--personio-client-id", "papi-2")
    resume.record("A connection that was never started.", "connections", "resume", new)
    resume.record("An unknown connection.", "connections", "resume", "c-unknown")

    pause.compare("connections-pause")
    resume.compare("connections-resume")


def test_texts_of_connections_rename(cli: Cli, connection: ConnectionId) -> None:
    """The new name is a label of one line, and finds the connection from then on."""
    rename = Transcript(cli)

    rename.record("By the beginning of the former name.", "connections", "rename", "nord", "Westwind")
    rename.record("By the former name.", "connections", "rename", "Nordlicht", "Nord")
    rename.record("A name of two lines.", "connections", "rename", "Westwind", "a\nb")
    add_connection(cli, "--external-id-prefix", "new-", "--personio-client-id", "papi-2")
    rename.record("To the name of another connection.", "connections", "rename", "nordlicht", "Westwind")
    rename.record("By the name of two.", "connections", "rename", "west", "Nord")

    rename.compare("connections-rename")


def test_texts_of_connections_check(cli: Cli, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check has a line, with the next step if it failed."""
    monkeypatch.chdir(tmp_path)
    check = Transcript(cli)
    right = Credential("papi-1", SECRET)
    narrow = Credential("papi-1", SECRET, frozenset({"first_name", "last_name"}))
    personio, narrow_personio = (
        serve(create_personio(State.generate(employees=1, credential=credential))) for credential in (right, narrow)
    )
    declaree, other_declaree = (serve(create_declaree(Declaree(api_key=key))) + BASE_PATH for key in (KEY, "other"))
    good = add_connection(cli, "--personio-url", personio, "--declaree-url", declaree)
    bad = add_connection(cli, "--personio-url", narrow_personio, "--declaree-url", other_declaree)

    check.record("All checks pass.", "connections", "check", good)
    document = json.loads(cli("mapping", "export", good).output)
    document["rules"][0]["source"]["attribute"] = "frist_name"
    document["rules"].append({"target": f"{ENTERPRISE}:costCentre", "source": {"kind": "constant", "value": 7}})
    document["rules"].append({"target": "title", "source": {"kind": "constant", "value": 7}})
    Path("mapping.json").write_text(json.dumps(document))
    cli("mapping", "import", good, "mapping.json", "--yes", "--accept-problems")
    check.record("A mapping with a key and a field that do not exist.", "connections", "check", good)
    check.record("Missing attributes, and a wrong key.", "connections", "check", bad)
    cli("connections", "secrets", good, "--personio", PERSONIO_CLIENT_SECRET="wrong")
    check.record("A wrong Personio secret.", "connections", "check", good)

    check.compare("connections-check")


def test_texts_of_connections_secrets(
    cli: Cli, connection: ConnectionId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints the source of each secret."""
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("new")
    secrets = Transcript(cli)
    command = ("connections", "secrets", connection)

    secrets.record("A new credential.", *command, "--personio-client-id", "papi-2", **SECRETS)
    secrets.record(
        "Secrets from a file and the prompt.", *command, "--declaree", "--personio-secret-file", "secret", stdin="key\n"
    )
    add_connection(cli, "--external-id-prefix", "again-")
    secrets.record("A client_id of another connection.", *command, "--personio-client-id", "papi-1", **SECRETS)

    secrets.compare("connections-secrets")


def test_texts_of_connections_rotate_keys(cli: Cli, connection: ConnectionId) -> None:
    """A connection that cannot be decrypted is named."""
    rotate = Transcript(cli)

    rotate.record("All secrets can be decrypted.", "connections", "rotate-keys")
    rotate.record("A secret that fits no key.", "connections", "rotate-keys", ENCRYPTION_KEYS=make_key())

    rotate.compare("connections-rotate-keys")


# ------------------------------------------------------------ mapping


YAML = """\
rules:
  - target: name.givenName
    source: {kind: attribute, attribute: first_name}
  - target: title
    source: {kind: expression, expression: 'first_name + " " + last_name'}
    transforms: [{kind: upper}]
"""


EXAMPLES = """\
examples:
  - name: Ada has a title
    attributes: {email: ada@nord.example, first_name: Ada, last_name: Blum, status: active}
    expected:
      user_name: ada@nord.example
      fields: {title: ADA BLUM, name.givenName: Ada}
  - name: Employees on leave are left alone
    attributes: {email: ben@nord.example, status: leave}
    expected: {intent: ignore}
"""


def test_texts_of_drafts_and_versions(
    cli: Cli, connection: ConnectionId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draft is saved, compared, published; a version is rolled back."""
    monkeypatch.chdir(tmp_path)
    Path("mapping.yaml").write_text(YAML)
    Path("wrong.yaml").write_text(YAML.replace(" + ", " = "))
    Path("unknown.yaml").write_text(YAML.replace("title", "costCentre"))
    times = {r"\d{4}-\d\d-\d\d \d\d:\d\d UTC": "TIME"}
    diff, discard, publish_, rollback, history, lint, schema, test = (Transcript(cli, times) for _ in range(8))
    Path("examples.yaml").write_text(EXAMPLES)
    Path("wrong-examples.yaml").write_text(
        EXAMPLES.replace("ADA BLUM", "Ada Blum").replace("intent: ignore", "intent: disable")
    )

    test.record("Examples that hold.", "mapping", "test", "mapping.yaml", "examples.yaml")
    test.record("Examples that do not.", "mapping", "test", "mapping.yaml", "wrong-examples.yaml")
    test.record("No examples.", "mapping", "test", "mapping.yaml", "mapping.yaml")

    publish_command = ("mapping", "publish", connection, "--by", "Ada")
    lint.record("A mapping.", "mapping", "lint", "mapping.yaml")
    lint.record("A wrong expression.", "mapping", "lint", "wrong.yaml")
    schema.record("The schema.", "mapping", "schema")
    schema.record("The schema of examples.", "mapping", "schema", "--examples")
    diff.record("Without a draft.", "mapping", "diff", connection)
    discard.record("Without a draft.", "mapping", "discard", connection)
    cli("mapping", "import", connection, "unknown.yaml", "--draft", "--by", "Ada")
    discard.record("With a draft.", "mapping", "discard", connection)
    cli("mapping", "import", connection, "mapping.yaml", "--draft", "--by", "Ada")
    publish_.record("An older revision.", "mapping", "import", connection, "mapping.yaml", "--draft", "--by", "Ben")
    diff.record("The draft.", "mapping", "diff", connection)
    publish_.record("Without a decision.", "mapping", "publish", connection, "--yes", "--by", "Ada")
    publish_.record("Answers.", *publish_command, "--note", "shorter titles", "--no-preview", stdin="y\ny\n")
    history.record("Two versions.", "mapping", "history", connection)
    rollback.record("An unknown version.", "mapping", "rollback", connection, "9", "--yes")
    rollback.record("No.", "mapping", "rollback", connection, "1", "--no-preview", stdin="n\nn\n")
    rollback.record("Yes.", "mapping", "rollback", connection, "1", "--yes", "--dropped", "leave", "--by", "Ben")
    history.record("After a roll back.", "mapping", "history", connection)
    diff.record("Two versions.", "mapping", "diff", connection, "1", "3")

    diff.compare("mapping-diff")
    discard.compare("mapping-discard")
    publish_.compare("mapping-publish")
    rollback.compare("mapping-rollback")
    history.compare("mapping-history")
    lint.compare("mapping-lint")
    schema.compare("mapping-schema")
    test.compare("mapping-test")


async def test_texts_of_pinned_examples(
    cli: Cli, serve: Serve, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two previews are pinned; a mapping with another result is not published, and neither is one with a damaged example."""
    monkeypatch.chdir(tmp_path)
    state = State.generate(employees=6, credential=Credential("papi-1", SECRET), clock=Clock(lambda: NOW))
    addresses = (
        *("--personio-url", serve(create_personio(state))),
        *("--declaree-url", serve(create_declaree(Declaree(api_key=KEY))) + BASE_PATH),
    )
    connection = await asyncio.to_thread(add_connection, cli, *addresses)
    people = [str(person.id) for person in state.company.list_employees() if person.status == "active" and person.email]
    times = {r"\d{4}-\d\d-\d\d \d\d:\d\d UTC": "TIME"}
    preview, examples, unpin = (Transcript(cli, times) for _ in range(3))
    document = json.loads((await asyncio.to_thread(cli, "mapping", "export", connection)).output)
    title = {"target": "title", "source": {"kind": "attribute", "attribute": "office.name"}}
    Path("title.json").write_text(json.dumps({**document, "rules": [*document["rules"], title]}))
    table = {"kind": "value_table", "table": {office.name: "Office" for office in OFFICES}, "otherwise": "reject"}
    Path("table.json").write_text(json.dumps({**document, "rules": [{**title, "transforms": [table]}]}))
    command = ("mapping", "preview", connection, "title.json", "--by", "Ada", "--employee")

    def record() -> None:
        preview.record("Without an employee.", *command[:4], "--pin", "office")
        preview.record("Made-up values without an example.", *command, people[0], "--made-up")
        preview.record("A name of two lines.", *command, people[0], "--pin", "a\nb")
        preview.record("An unknown employee.", *command, "99999999", "--pin", "office")
        preview.record("A name without an example.", *command, people[0])
        preview.record("A preview.", *command[:4], "--employee", people[0])
        preview.record("A new example.", *command, people[0], "--pin", "office")
        preview.record("The same name again.", *command, people[1], "--pin", "office", "--made-up")
        rejecting = (*command[:3], "table.json", *command[4:], people[0], "--pin", "known office", "--made-up")
        preview.record("Made-up values that do not fit.", *rejecting)
        examples.record("Two examples.", "mapping", "examples", connection)
        examples.record("As a document.", "mapping", "examples", connection, "--yaml")
        unpin.record("Another result is not published.", "mapping", "import", connection, "title.json", "--yes")
        unpin.record("The one that differs.", "mapping", "unpin", connection, "known office")
        unpin.record("A second time.", "mapping", "unpin", connection, "known office")
        unpin.record("The other one holds.", "mapping", "import", connection, "title.json", "--no-preview", stdin="y\n")
        rollback = ("mapping", "rollback", connection, "1", "--dropped", "leave")
        unpin.record("A roll back: the user sees the values.", *rollback)
        unpin.record("Without a question, the output may be a log.", *rollback, "--yes")

    await asyncio.to_thread(record)
    await store._database["mapping_examples"].update_one({}, {"$set": {"example": "{"}})
    await asyncio.to_thread(examples.record, "One cannot be read.", "mapping", "examples", connection)
    await asyncio.to_thread(unpin.record, "One cannot be read.", "mapping", "import", connection, "title.json", "--yes")
    await asyncio.to_thread(unpin.record, "It is removed.", "mapping", "unpin", connection, "office")
    await asyncio.to_thread(examples.record, "No example.", "mapping", "examples", connection)

    preview.compare("mapping-preview")
    examples.compare("mapping-examples")
    unpin.compare("mapping-unpin")


async def test_examples_of_a_connection_are_a_document(
    cli: Cli, store: Store, connection: ConnectionId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mapping test` reads what `mapping examples` prints, with all types of values."""
    monkeypatch.chdir(tmp_path)
    attributes = {**ADA, "a": None, "b": 1.5, "c": True, "d": ("x", None), "e": "no"}
    example = MappingExample(name="Zoë: 1", attributes=attributes, expected=ExpectedAccount(user_name=ADA["email"]))
    await store.examples.save(make_pinned(connection_id=connection, example=example))

    def list_and_test() -> Result:
        Path("mapping.json").write_text(cli("mapping", "export", connection).output)
        Path("examples.yaml").write_text(cli("mapping", "examples", connection, "--yaml").output)
        return cli("mapping", "test", "mapping.json", "examples.yaml")

    result = await asyncio.to_thread(list_and_test)

    assert result.output == "examples that hold: 1\n"
    assert parse_examples(Path("examples.yaml").read_text()).examples == (example,)


async def test_texts_of_mapping_suggest(cli: Cli, serve: Serve) -> None:
    """The default mapping with further rules, each with its reason; a Personio that refuses the secret."""
    state = State.generate(employees=1, credential=Credential("papi-1", SECRET))
    urls = serve(create_personio(state)), serve(create_declaree(Declaree(api_key=KEY))) + BASE_PATH
    options = ("--personio-url", urls[0], "--declaree-url", urls[1])
    connection = await asyncio.to_thread(add_connection, cli, *options)
    suggest = Transcript(cli)

    await asyncio.to_thread(suggest.record, "Both systems answer.", "mapping", "suggest", connection)
    await asyncio.to_thread(cli, "connections", "secrets", connection, "--personio", PERSONIO_CLIENT_SECRET="wrong")
    await asyncio.to_thread(suggest.record, "A wrong secret.", "mapping", "suggest", connection)

    suggest.compare("mapping-suggest")


def test_texts_of_mapping_export_and_import(
    cli: Cli, connection: ConnectionId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export is a document only, and an invalid document is rejected with its location."""
    monkeypatch.chdir(tmp_path)
    export, import_ = Transcript(cli), Transcript(cli)
    invalid = {
        "Not JSON.": "{",
        "An unknown format.": '{"rules": [], "format_version": 2}',
        "A target of the sync.": '{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}',
        "An invalid target.": '{"rules": [{"target": "name.", "source": {"kind": "constant", "value": 1}}]}',
    }
    command = ("mapping", "import", connection, "mapping.json", "--yes")

    document = export.record("The default mapping.", "mapping", "export", connection).output
    export.record("As YAML.", "mapping", "export", connection, "--yaml")
    export.record("A version that does not exist.", "mapping", "export", connection, "--version", "7")
    export.record("An unknown connection.", "mapping", "export", "c-unknown")
    Path("mapping.json").write_text(document)
    new = add_connection(cli, "--external-id-prefix", "new-", "--personio-client-id", "papi-2")
    Path("new.json").write_text(document.replace('"external_id_prefix": ""', '"external_id_prefix": "new-"'))
    import_.record("Before the first start.", "mapping", "import", new, "new.json", "--yes")
    import_.record("An active connection.", *command)
    cli("connections", "pause", connection)
    import_.record("A paused connection.", *command)
    for situation, content in invalid.items():
        Path("mapping.json").write_text(content)
        import_.record(situation, *command)

    export.compare("mapping-export")
    import_.compare("mapping-import")


async def test_texts_of_mapping_attributes(cli: Cli, store: Store, serve: Serve) -> None:
    """A part of a nested attribute has a line of its own, and an attribute that no rule reads has no number."""
    attributes = Transcript(cli)
    credential = Credential("papi-1", SECRET, frozenset({*REQUIRED_ATTRIBUTES, "office", "dynamic_21827"}))
    personio = serve(create_personio(State.generate(employees=1, credential=credential)))
    connection = await asyncio.to_thread(add_connection, cli, "--personio-url", personio)
    command = ("mapping", "attributes", connection)

    await asyncio.to_thread(attributes.record, "Before the first poll.", *command)
    counted = tuple(SourceAttribute(key=key, label="", type="standard", filled=9) for key in REQUIRED_ATTRIBUTES)
    await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=counted, employees=10))
    await asyncio.to_thread(attributes.record, "After a poll of 10 employees.", *command)

    attributes.compare("mapping-attributes")


async def test_texts_of_mapping_fields(cli: Cli, serve: Serve) -> None:
    """A documented field has a label in each language, and a server without schemas leaves the documented fields alone."""
    fields = Transcript(cli)
    server = Declaree(api_key=KEY)
    declaree = serve(create_declaree(server)) + BASE_PATH
    connection = await asyncio.to_thread(add_connection, cli, "--declaree-url", declaree)
    command = ("mapping", "fields", connection)

    await asyncio.to_thread(fields.record, "A server with schemas.", *command)
    server.behaviour = server.behaviour.model_copy(update={"schemas": False})
    await asyncio.to_thread(fields.record, "A server without schemas, and labels in German.", *command, "--lang", "de")
    await asyncio.to_thread(fields.record, "An unknown connection.", "mapping", "fields", "c-unknown")

    fields.compare("mapping-fields")


# ------------------------------------------------------------ status and people


async def test_texts_of_people_list_and_show(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """Each employee that needs attention has one line, and one page with all that is stored."""
    list_, show, find = Transcript(cli), Transcript(cli), Transcript(cli)
    await asyncio.to_thread(list_.record, "No employee needs attention.", "people", "list", connection)
    await store_attention(store, connection)
    await store_odd_employee(store, connection)

    await asyncio.to_thread(list_.record, "An employee of each kind.", "people", "list", connection)
    await asyncio.to_thread(list_.record, "With names.", "people", "list", connection, "--names", "--limit", "2")
    await asyncio.to_thread(list_.record, "By reason.", "people", "list", connection, "--by-reason")
    await asyncio.to_thread(find.record, "By a part of the name.", "people", "find", connection, "zo")
    await asyncio.to_thread(find.record, "An unknown name.", "people", "find", connection, "Ada Öz")
    for situation, employee in {
        "Waiting.": "1",
        "Rejected, with an account, and absent.": "2",
        "Oversized.": "3",
        "Absent.": "5",
        "Values with control characters and line breaks.": "7",
        "An unknown employee.": "98",
    }.items():
        await asyncio.to_thread(show.record, situation, "people", "show", connection, employee)

    find.compare("people-find")
    list_.compare("people-list")
    show.compare("people-show")


# ------------------------------------------------------------ poll and resync


async def test_texts_of_poll(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The command prints the counts of the run, or its error."""
    poll = Transcript(cli)
    command = ("poll", connection)
    counts = {"seen": 4, "created": 2, "changed": 1, "unchanged": 1, "emitted": 3, "oversized": 0, "absent": 0}

    await record_task(poll, store, connection, "A finished poll.", *command, counts=counts)
    await record_task(poll, store, connection, "A failed poll.", *command)
    await asyncio.to_thread(poll.record, "No poller.", *command, "--seconds", "0.1")

    poll.compare("poll")


async def test_texts_of_resync(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The command prints the number of resent employees, or the unknown ids."""
    resync = Transcript(cli)
    command = ("resync", connection)

    await record_task(resync, store, connection, "All employees.", *command, counts={"sent": 4, "total": 4})
    await asyncio.to_thread(resync.record, "Unknown employees.", *command, "--employee", "98", "--employee", "99")
    await asyncio.to_thread(resync.record, "No poller.", *command, "--seconds", "0.1")

    resync.compare("resync")


async def test_texts_of_verify(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """Each finding has a line with ids only. What a person has to do follows the number of findings of a kind."""
    verify = Transcript(cli)
    await store.connections.start(connection, now=NOW)

    await record_task(verify, store, connection, "A failed verification.", "verify")
    await asyncio.to_thread(verify.record, "No report yet.", "verify", connection, "--last")
    await store_report(store, connection)
    await asyncio.to_thread(verify.record, "A finding of each kind.", "verify", connection, "--last")
    counts = {"listed": 1003, "leaver-enabled": 1, "repaired": 1}
    await store_report(store, connection, counts, kinds=[DriftKind.LEAVER_ENABLED])
    await asyncio.to_thread(verify.record, "Everything is being repaired.", "verify", "--last")
    await store_report(store, connection, {"listed": 1003}, kinds=[])
    await asyncio.to_thread(verify.record, "Everything is right.", "verify", "--last")
    await store_attention(store, connection)
    employee = ("verify", connection, "--employee")
    await asyncio.to_thread(verify.record, "An unknown employee.", *employee, "98")
    await asyncio.to_thread(verify.record, "An absent employee.", *employee, "5")
    await record_task(verify, store, connection, "No writer.", *employee, "1", "--seconds", "1", counts={"sent": 1})
    await asyncio.to_thread(verify.record, "No poller.", "verify", connection, "--seconds", "0.1")
    await store.connections.set_state(connection, ConnectionState.PAUSED)
    await asyncio.to_thread(verify.record, "No active connection.", "verify")

    verify.compare("verify")


# ------------------------------------------------------------ Kafka


@pytest.mark.kafka
def test_texts_of_init(kafka_cli: Cli, topic_prefix: str) -> None:
    """The first run lists what it creates, and the next one has nothing to do."""
    init = Transcript(kafka_cli.add_settings(KAFKA_TOPIC_PREFIX=f"{topic_prefix}{topic_prefix}"), TOPIC_PREFIXES)

    init.record("New topics.", "init")
    init.record("Everything exists.", "init")

    init.compare("init")


@pytest.mark.kafka
async def test_texts_of_replay(kafka_cli: Cli) -> None:
    """The command prints how many records it read and how many changes it published."""
    replay = Transcript(kafka_cli)
    changes = [
        make_change(employee=employee, revision=revision) for employee, revision in (("7", 1), ("7", 2), ("8", 1))
    ]
    connection = await asyncio.to_thread(add_connection, kafka_cli)
    await publish(
        kafka_cli,
        *(
            to_record(change.model_copy(update={"connection_id": connection}), SendReason.DETECTED)
            for change in changes
        ),
    )

    for situation, arguments in {
        "A dry run.": ("--dry-run",),
        "The newest change of each employee.": (),
        "Every change of one employee.": ("--connection", connection, "--employee", "7", "--all"),
        "An employee without records.": ("--connection", connection, "--employee", "98"),
        "An unknown connection.": ("--connection", "c-unknown"),
    }.items():
        await asyncio.to_thread(replay.record, situation, "replay", *arguments)

    replay.compare("replay")


@pytest.mark.kafka
async def test_texts_of_dead_letters(kafka_cli: Cli) -> None:
    """A letter has one line with the next step, and a retry names the letters that stay open."""
    list_, retry, show = Transcript(kafka_cli), Transcript(kafka_cli), Transcript(kafka_cli)
    letter = DeadLetter(
        service="mapper",
        reason="wrong-schema",
        fields="revision",
        topic=Topic.EMPLOYEES_CHANGED,
        partition=0,
        offset=0,
        timestamp_ms=0,
        failed_at=NOW,
    )
    large = letter.model_copy(update={"offset": 1_000, "is_copied": False})
    await asyncio.to_thread(list_.record, "No open dead letter.", "dead-letters", "list")
    await publish(
        kafka_cli,
        letter.to_record(f"{CONNECTION}/7".encode(), b"{}"),
        large.to_record(f"{CONNECTION}/8".encode(), None),
    )

    await asyncio.to_thread(list_.record, "Two dead letters.", "dead-letters", "list")
    await asyncio.to_thread(show.record, "A letter.", "dead-letters", "show", "0/0")
    await asyncio.to_thread(show.record, "A letter of a large record that was deleted.", "dead-letters", "show", "0/1")
    await asyncio.to_thread(show.record, "An unknown letter.", "dead-letters", "show", "7/7")
    await asyncio.to_thread(retry.record, "A letter.", "dead-letters", "retry", "0/0")
    await asyncio.to_thread(retry.record, "All letters: the record of one was deleted.", "dead-letters", "retry")
    await asyncio.to_thread(retry.record, "A letter that was retried.", "dead-letters", "retry", "0/0")

    list_.compare("dead-letters-list")
    retry.compare("dead-letters-retry")
    show.compare("dead-letters-show")


@pytest.mark.kafka
async def test_texts_of_mapping_explain(kafka_cli: Cli, serve: Serve) -> None:
    """An employee without an account, one with an account, one field, what is unknown, and past changes."""
    declaree = Declaree(api_key=KEY)
    content = {"userName": "ada@nord.example", "name": {"givenName": "Ada"}, "active": True}
    declaree.directory.put(Entry("User", "a-8", content, "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"))
    url = serve(create_declaree(declaree)) + BASE_PATH
    connection = ConnectionId(await asyncio.to_thread(add_connection, kafka_cli, "--declaree-url", url))
    store = open_store(read_settings(kafka_cli))
    await store_odd_employee(store, connection)
    snapshot = make_snapshot("8", connection_id=connection)
    await store.snapshots.save([(snapshot, None)])
    outcome = make_outcome("8").model_copy(update={"connection_id": connection, "mapping_version": 1})
    entry = make_entry("8", account_id="a-8", enabled=True, decided=outcome)
    await store.ledger.write([entry.model_copy(update={"connection_id": connection})])
    store.close()
    explain = Transcript(kafka_cli, TOPIC_PREFIXES | RECORD_TIMES)
    command = ("mapping", "explain", connection)

    await asyncio.to_thread(explain.record, "The event is not recorded.", *command, "8", "--field", "name.givenName")
    await asyncio.to_thread(explain.record, "No past change is recorded.", *command, "8", "--history")
    refused = outcome.model_copy(
        update={"outcome": Outcome.INCOMPLETE, "refused": ("name.familyName",), "reason": "name.familyName (400)"}
    )
    await publish(
        kafka_cli, to_record(snapshot.to_event()), to_record(refused), to_record(snapshot.to_event(), SendReason.RESENT)
    )
    await asyncio.to_thread(explain.record, "An employee with an account.", *command, "8")
    await asyncio.to_thread(explain.record, "One field.", *command, "8", "--field", "NAME.givenName")
    await asyncio.to_thread(explain.record, "Past changes.", *command, "8", "--history")
    revision = ("--revision", str(snapshot.revision))
    await asyncio.to_thread(explain.record, "A past change.", *command, "8", *revision, "--field", "name.familyName")
    await asyncio.to_thread(explain.record, "An unknown past change.", *command, "8", "--revision", "1")
    await asyncio.to_thread(explain.record, "Odd values, and no account.", *command, "7")
    await asyncio.to_thread(explain.record, "A field without a rule.", *command, "8", "--field", "title")
    await asyncio.to_thread(explain.record, "An unknown employee.", *command, "99")
    declaree.api_key = "other"
    await asyncio.to_thread(explain.record, "The key is refused.", *command, "8", "--field", "name.givenName")

    explain.compare("mapping-explain")


@pytest.mark.kafka
async def test_texts_of_mapping_preview(
    kafka_cli: Cli, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all employees, of one, of an unknown one, and over recorded changes."""
    monkeypatch.chdir(tmp_path)
    state = State.generate(employees=5, credential=Credential("papi-1", SECRET), seed=7)
    urls = serve(create_personio(state)), serve(create_declaree(Declaree(api_key=KEY))) + BASE_PATH
    options = ("--personio-url", urls[0], "--declaree-url", urls[1])
    connection = ConnectionId(await asyncio.to_thread(add_connection, kafka_cli, *options))
    document = json.loads((await asyncio.to_thread(kafka_cli, "mapping", "export", connection)).output)
    table = {"kind": "value_table", "table": {"Kiel": "North"}, "otherwise": "keep"}
    source = {"kind": "attribute", "attribute": "office.name"}
    document["rules"].append({"target": "title", "source": source, "transforms": [table]})
    Path("mapping.json").write_text(json.dumps(document))
    preview = Transcript(kafka_cli)
    command = ("mapping", "preview", connection)
    employee = min(str(one.id) for one in state.company.list_employees() if one.status == "active")

    await asyncio.to_thread(preview.record, "No draft.", *command)
    await asyncio.to_thread(preview.record, "All employees.", *command, "mapping.json")
    await asyncio.to_thread(preview.record, "With values that no table has.", *command, "mapping.json", "--values")
    await asyncio.to_thread(preview.record, "One employee.", *command, "mapping.json", "--employee", employee)
    await asyncio.to_thread(preview.record, "An unknown employee.", *command, "mapping.json", "--employee", "99")
    since = (*command, "mapping.json", "--since", "2026-01-01")
    await asyncio.to_thread(preview.record, "No recorded change.", *since)
    changes = [make_change({"office.name": office}, employee=number) for number, office in (("7", "Kiel"), ("8", ""))]
    await publish(kafka_cli, *(to_record(one.model_copy(update={"connection_id": connection})) for one in changes))
    await asyncio.to_thread(preview.record, "Recorded changes.", *since)
    await asyncio.to_thread(preview.record, "Names of recorded changes.", *since, "--names")

    preview.compare("mapping-preview.all")
