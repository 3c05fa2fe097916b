"""Commands with a real MongoDB: what they do, what they print for people and machines, and how they end."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from services.cli.context import EX_TEMPFAIL
from services.contracts.accounts import Waiting
from services.contracts.events import AccountSynced, Attribute, Outcome, Version
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.model import Value
from services.contracts.runs import RunState
from services.runtime.settings import EX_CONFIG
from tests.fakes import opened_store
from tests.stack import KafkaServers, MongoServers
from tests.stored import CONNECTION, NOW, entry, outcome, snapshot
from tests.unit.cli.conftest import Cli

pytestmark = pytest.mark.mongo

SECRET, KEY = "a-personio-secret", "a-declaree-key"
ADD = ("connections", "add", "Nordlicht", "--personio-client-id", "papi-1")
SECRETS = {"PERSONIO_CLIENT_SECRET": SECRET, "DECLAREE_KEY": KEY}


def add(cli: Cli, *more: str) -> str:
    result = cli(*ADD, "--json", *more, **SECRETS)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.output)["id"])


def listed(cli: Cli) -> Any:
    return json.loads(cli("connections", "list", "--json").output)


# ---------------------------------------------------------------- connections


def test_a_connection_is_added_listed_paused_and_resumed(cli: Cli) -> None:
    connection = add(cli, "--personio-url", "https://personio.example", "--declaree-url", "https://scim.example/v2")
    (entry,) = listed(cli)
    assert entry == {
        "id": connection,
        "name": "Nordlicht",
        "state": "active",
        "personio": "https://personio.example",
        "declaree": "https://scim.example/v2",
    }
    assert cli("connections", "pause", connection).output == "paused\n"
    assert listed(cli)[0]["state"] == "paused"
    assert json.loads(cli("connections", "resume", connection, "--json").output) == {
        "id": connection,
        "state": "active",
    }
    assert listed(cli)[0]["state"] == "active"
    assert connection in cli("connections", "list").output


def test_who_adds_a_connection_is_told_to_switch_off_the_vendors_own_connector(cli: Cli) -> None:
    assert "Switch off the Personio connector in Declaree" in cli(*ADD, **SECRETS).output


def test_secrets_come_from_a_prompt_that_does_not_show_them(cli: Cli) -> None:
    result = cli(*ADD, stdin=f"{SECRET}\n{KEY}\n")
    assert result.exit_code == 0
    assert "Personio client_secret" in result.output
    assert "Declaree API key" in result.output
    assert SECRET not in result.output
    assert KEY not in result.output


def test_secrets_come_from_files_before_the_environment(cli: Cli, tmp_path: Path) -> None:
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text(f"{SECRET}\n")
    key.write_text(f"{KEY}\n")
    files = ("--personio-secret-file", str(secret), "--declaree-key-file", str(key))
    result = cli(*ADD, *files, PERSONIO_CLIENT_SECRET="of the environment", DECLAREE_KEY="of the environment")
    assert result.exit_code == 0
    assert "client_secret" not in result.output, "nobody is asked"


def test_an_empty_variable_is_no_secret(cli: Cli) -> None:
    result = cli(*ADD, stdin=f"{SECRET}\n{KEY}\n", PERSONIO_CLIENT_SECRET="", DECLAREE_KEY="")
    assert "Personio client_secret" in result.output


def test_a_connection_may_be_added_paused(cli: Cli) -> None:
    add(cli, "--paused")
    assert listed(cli)[0]["state"] == "paused"


def test_the_same_two_accounts_are_connected_once(cli: Cli) -> None:
    connection = add(cli)
    result = cli(*ADD, **SECRETS)
    assert result.exit_code == EX_CONFIG
    assert "connected" in result.output
    assert [entry["id"] for entry in listed(cli)] == [connection]


@pytest.mark.parametrize(
    "command",
    [
        ("connections", "pause"),
        ("connections", "resume"),
        ("connections", "check"),
        ("connections", "secrets"),
        ("mapping", "export"),
        ("people", "list"),
        ("people", "show"),
        ("resync",),
        ("poll",),
    ],
    ids=" ".join,
)
def test_an_unknown_connection_is_an_error_that_names_it(cli: Cli, command: tuple[str, ...]) -> None:
    result = cli(*command, "nobody", *(["7"] if "show" in command else []), DECLAREE_KEY=KEY)
    assert result.exit_code not in {0, EX_TEMPFAIL}
    assert "nobody" in result.output
    assert "Traceback" not in result.output


def test_new_secrets_are_deposited_without_showing_them_and_it_is_said_where_they_came_from(
    cli: Cli, tmp_path: Path
) -> None:
    connection = add(cli)
    file = tmp_path / "secret"
    file.write_text("new")
    result = cli("connections", "secrets", connection, "--json", DECLAREE_KEY=" newest-key\n")
    assert json.loads(result.output) == {"id": connection, "stored": {"Declaree key": "from DECLAREE_KEY"}}
    result = cli("connections", "secrets", connection, "--declaree", "--personio-secret-file", str(file), stdin="k\n")
    assert result.exit_code == 0
    assert f"stored: Personio secret (from {file}), Declaree key (as entered)\n" in result.output
    result = cli("connections", "secrets", connection, "--personio-client-id", "papi-2", **SECRETS)
    assert result.output == "stored: Personio client_id (as given), Personio secret (from PERSONIO_CLIENT_SECRET)\n"


def test_what_stands_in_the_environment_for_another_company_is_not_taken_along(cli: Cli, tmp_path: Path) -> None:
    connection = add(cli)
    (tmp_path / "secret").write_text("new")
    for options, stored in (
        (("--personio-secret-file", str(tmp_path / "secret")), "Personio secret"),
        (("--declaree",), "Declaree key"),
    ):
        result = cli("connections", "secrets", connection, *options, "--json", **SECRETS)
        assert [*json.loads(result.output)["stored"]] == [stored]


def test_stored_secrets_are_encrypted_with_the_first_key_so_that_the_old_one_can_go(
    cli: Cli, settings: dict[str, str]
) -> None:
    connection = add(cli)
    old, new = settings["ENCRYPTION_KEYS"], Fernet.generate_key().decode()
    result = cli("connections", "rotate-keys", ENCRYPTION_KEYS=f"{new},{old}")
    assert (result.exit_code, result.output) == (0, "connections encrypted with the first key: 1\n")
    result = cli("connections", "rotate-keys", "--json", ENCRYPTION_KEYS=new)
    assert json.loads(result.output) == {"done": 1, "unreadable": []}
    result = cli("connections", "rotate-keys")
    assert result.exit_code == 1
    assert f"{connection} fits none of ENCRYPTION_KEYS and stays as it is" in result.output
    assert json.loads(cli("connections", "rotate-keys", "--json").output) == {"done": 0, "unreadable": [connection]}
    assert connection in cli("connections", "list").output, "what needs no secret goes on without the key"
    assert cli("status").exit_code == 0


def test_no_output_ever_holds_a_secret(cli: Cli) -> None:
    connection = add(cli)
    outputs = [
        cli("connections", "list").output,
        cli("connections", "list", "--json").output,
        cli("status", "--json").output,
        cli("mapping", "export", connection).output,
        cli(*ADD, **SECRETS).output,
    ]
    assert not any(SECRET in output or KEY in output for output in outputs)


# ---------------------------------------------------------------- mapping


def test_an_exported_mapping_is_imported_as_the_next_version_and_everybody_is_sent_again(
    cli: Cli, tmp_path: Path
) -> None:
    connection = add(cli)
    document = cli("mapping", "export", connection).output
    file = tmp_path / "mapping.json"
    file.write_text(document)
    result = cli("mapping", "import", connection, str(file), "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["version"] == 2
    assert json.loads(cli("mapping", "export", connection).output) == json.loads(document)
    assert cli("mapping", "import", connection, str(file)).output == "version 3 is published; everybody is sent again\n"
    (status,) = json.loads(cli("status", "--json").output)
    assert status["mapping_version"] == 3


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "Invalid JSON"),
        ("[]", "document"),
        ('{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}', "rules.0"),
        ('{"rules": [{"target": "name.", "source": {"kind": "constant", "value": 1}}]}', "name."),
        ('{"rules": [], "format_version": 2}', "format_version"),
    ],
)
def test_a_document_that_is_no_mapping_is_refused_with_the_place_and_changes_nothing(
    cli: Cli, tmp_path: Path, document: str, problem: str
) -> None:
    connection = add(cli)
    file = tmp_path / "mapping.json"
    file.write_text(document)
    result = cli("mapping", "import", connection, str(file))
    assert result.exit_code == EX_CONFIG
    assert problem in result.output
    (status,) = json.loads(cli("status", "--json").output)
    assert status["mapping_version"] == 1


# ---------------------------------------------------------------- status, people, requests


def test_status_without_a_connection_says_what_to_do(cli: Cli) -> None:
    result = cli("status")
    assert (result.exit_code, result.output) == (0, "There is no connection yet: `connections add`.\n")
    assert json.loads(cli("status", "--json").output) == []


def test_status_tells_how_things_stand(cli: Cli) -> None:
    connection = add(cli)
    said = cli("status").output
    assert "0 of 0 active employees have an account; balance 0, waiting 0" in said
    assert said.endswith("  not polled yet\n")
    (status,) = json.loads(cli("status", "--json").output)
    known = {"connection": connection, "name": "Nordlicht", "state": "active", "employees": 0, "active": 0,
             "accounts": 0, "balance": 0, "waiting": 0, "missing": 0, "outcomes": {}, "mapping_version": 1, "last_run": None}  # fmt: skip
    assert known.items() <= status.items()


@pytest.fixture
async def unsettled(mongo: MongoServers, prepared_database: str, connected: str) -> str:
    """Of the connection: 1 waits and was rejected before, 2 and 12 are rejected, 3 is too large, 4 is well.

    2 and 5 have an account and are listed no more.
    """
    connection = ConnectionId(connected)

    def rejected(employee: str, **more: Any) -> AccountSynced:
        return outcome(employee, how=Outcome.REJECTED).model_copy(update={"connection_id": connection, **more})

    waiting = Waiting(cause="DeclareeUnavailableError", since=NOW, version=Version(1_000, 3))
    entries = [
        entry("1", waiting=waiting, decided=rejected("1")),
        entry("2", account_id="a-2", enabled=True, decided=rejected("2", reason="taken", field="userName")),
        entry("5", account_id="a-5", enabled=True, decided=outcome("5")),
        entry("12", decided=rejected("12")),
        entry("4", decided=outcome("4")),
    ]
    async with opened_store(mongo, prepared_database) as store:
        people = [snapshot(each, connection_id=connection) for each in ("2", "3", "5")]
        await store.snapshots.save([(each, None) for each in people])
        await store.snapshots.set_missing(connection, [EmployeeId("2"), EmployeeId("5")], NOW)
        await store.snapshots.refuse(connection, [(EmployeeId("3"), 1_000)])
        await store.accounts.write([each.model_copy(update={"connection_id": connection}) for each in entries])
    return connected


def test_who_needs_a_look_is_listed_once_with_the_reason_and_no_data(cli: Cli, unsettled: str) -> None:
    result = cli("people", "list", unsettled)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "1  waiting  Declaree does not answer; what waits is sent again by itself once it does",
        "12  rejected  no reason was given",
        "2  rejected  userName: taken",
        "3  refused  the employee's data is too large for Kafka: shorten it in Personio",
        "5  missing  Personio lists this employee no more; the account stays as it is: look whether it is to be disabled",
    ]
    found = json.loads(cli("people", "list", unsettled, "--json").output)
    assert [(each["employee"], each["state"]) for each in found] == [
        ("1", "waiting"), ("12", "rejected"), ("2", "rejected"), ("3", "refused"), ("5", "missing")
    ]  # fmt: skip
    assert found[0]["since"] == "2026-03-09T08:30:00.123000Z"


def test_whom_personio_lists_no_more_is_said_where_one_looks(cli: Cli, unsettled: str) -> None:
    said = cli("status").output
    assert "\n  missing 2: Personio lists them no more, `people list` says whom\n" in said
    assert json.loads(cli("status", "--json").output)[0]["missing"] == 2
    shown = cli("people", "show", unsettled, "5").output
    assert "since 2026-03-09 08:30 UTC Personio lists this employee no more\n" in shown


def test_where_all_is_well_nobody_is_listed(cli: Cli, connected: str) -> None:
    assert cli("people", "list", connected).output == "Nobody waits, is rejected or is missing.\n"
    assert json.loads(cli("people", "list", connected, "--json").output) == []


@pytest.fixture
async def somebody(mongo: MongoServers, prepared_database: str) -> None:
    """Employee 1 waits, 2 is rejected."""
    async with opened_store(mongo, prepared_database) as store:
        await store.snapshots.save([(snapshot("1"), None), (snapshot("2"), None)])
        waiting = Waiting(cause="DeclareeUnavailableError", since=NOW, version=Version(1_000, 3))
        decided = outcome("2", how=Outcome.REJECTED).model_copy(update={"reason": "taken"})
        await store.accounts.write([entry("1", waiting=waiting), entry("2", account_id="a-2", decided=decided)])


def test_what_is_known_of_an_employee_is_shown(cli: Cli, somebody: None) -> None:
    shown = cli("people", "show", CONNECTION, "1").output
    assert "first_name: Zoë" in shown
    assert "waiting since 2026-03-09 08:30 UTC: Declaree does not answer" in shown
    assert "account a-2, rejected: taken" in cli("people", "show", CONNECTION, "2").output
    found = json.loads(cli("people", "show", CONNECTION, "2", "--json").output)
    assert found["snapshot"]["attributes"]["first_name"]["value"] == "Zoë"
    assert (found["account"]["account_id"], found["account"]["decided"]["outcome"]) == ("a-2", "rejected")


@pytest.fixture
def connected(cli: Cli) -> str:
    return add(cli)


async def polled(mongo: MongoServers, database: str, connection: str, **outcome: object) -> None:
    """The connection's last poll ended so."""
    async with opened_store(mongo, database) as store:
        run = await store.runs.begin(ConnectionId(connection), now=NOW)
        await store.runs.save(run.model_copy(update={"finished_at": NOW, **outcome}))


@pytest.fixture
async def failed_poll(mongo: MongoServers, prepared_database: str, connected: str) -> str:
    failed = {"state": RunState.FAILED, "error": "the credential does not release: status"}
    await polled(mongo, prepared_database, connected, **failed)
    return connected


@pytest.fixture
async def unreleased(mongo: MongoServers, prepared_database: str, connected: str) -> None:
    """Two attributes went missing from the credential."""
    succeeded = {"state": RunState.SUCCEEDED, "unreleased": ("office.id", "office.name")}
    await polled(mongo, prepared_database, connected, **succeeded)


def test_status_ends_with_1_while_the_last_poll_of_an_active_connection_has_failed(cli: Cli, failed_poll: str) -> None:
    result = cli("status")
    assert result.exit_code == 1
    assert "the last poll failed: the credential does not release: status (2026-03-09 08:30 UTC)" in result.output
    assert json.loads(cli("status", "--json").output)[0]["last_run"]["state"] == "failed"
    cli("connections", "pause", failed_poll)
    assert cli("status").exit_code == 0, "it is meant to stand still"


def test_status_says_when_the_last_poll_was_and_what_the_credential_shows_no_more(cli: Cli, unreleased: None) -> None:
    result = cli("status")
    assert result.exit_code == 0
    assert "\n  last polled 2026-03-09 08:30 UTC\n" in result.output
    assert "\n  released no more, so kept as they were: office.id, office.name\n" in result.output


def test_an_employee_who_is_not_known_is_an_error(cli: Cli) -> None:
    connection = add(cli)
    result = cli("people", "show", connection, "7")
    assert result.exit_code == 1
    assert result.output == f"employee 7 is not known in connection {connection}\n"


@pytest.mark.parametrize("command", [("poll", "--dry-run"), ("poll",), ("resync",), ("resync", "--employee", "3")])
def test_where_no_poller_runs_a_request_stays_filed_and_the_command_says_so(
    cli: Cli, unsettled: str, command: tuple[str, ...]
) -> None:
    result = cli(command[0], unsettled, *command[1:], "--seconds", "0.1")
    assert result.exit_code == EX_TEMPFAIL
    assert "it stays filed. Is a poller running?" in result.output


def test_for_somebody_nobody_knows_nothing_is_filed(cli: Cli, unsettled: str) -> None:
    result = cli("resync", unsettled, *("--employee", "3"), *("--employee", "98"), *("--employee", "7"))
    assert (result.exit_code, result.output) == (1, f"not known in connection {unsettled}: 7, 98\n")


@pytest.fixture
async def odd(mongo: MongoServers, prepared_database: str) -> None:
    """Employee 7 has entered what a terminal takes for commands, and what looks like lines of ours."""
    values: dict[str, Value] = {
        "first_name": "\x1b[2JAda\x07", "dynamic_7": ("a", "b\n account a-1, created"), "office.name": None, "x": 7.5
    }  # fmt: skip
    attributes = {key: Attribute(value=value, label="Own\x9bfield") for key, value in values.items()}
    async with opened_store(mongo, prepared_database) as store:
        await store.snapshots.save([(snapshot("7", attributes=attributes), None)])


def test_what_people_have_entered_commands_no_terminal_and_passes_for_no_line_of_ours(cli: Cli, odd: None) -> None:
    assert cli("people", "show", CONNECTION, "7").output.splitlines() == [
        "dynamic_7 (Own\ufffdfield): a, b account a-1, created",
        "first_name: \ufffd[2JAda\ufffd",
        "office.name: -",
        "x: 7.5",
        "no decision yet",
    ]
    found = json.loads(cli("people", "show", CONNECTION, "7", "--json").output)
    assert found["snapshot"]["attributes"]["first_name"]["value"] == "\x1b[2JAda\x07", "for machines it is as it is"


def test_a_file_that_is_no_text_is_a_wrong_use(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_bytes(b"\xff\xfe")
    result = cli("mapping", "import", add(cli), str(file), COLUMNS="300")
    assert result.exit_code == 2
    assert "no text in UTF-8" in result.output


@pytest.mark.kafka
def test_an_unknown_connection_is_not_replayed(cli: Cli, kafka: KafkaServers) -> None:
    result = cli("replay", "--connection", "nobody", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers)
    assert (result.exit_code, "there is no connection nobody" in result.output) == (1, True)


@pytest.mark.kafka
def test_an_employee_of_whom_nothing_is_recorded_is_an_error(cli: Cli, kafka: KafkaServers, topic_prefix: str) -> None:
    servers = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_TOPIC_PREFIX": topic_prefix}
    assert cli("init", **servers).exit_code == 0
    result = cli("replay", "--connection", add(cli), "--employee", "7", **servers)
    assert result.exit_code == 1
    assert "nothing is recorded of employee 7; `resync` sends what was last seen" in result.output
