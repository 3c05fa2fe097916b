"""`connections start` on a real MongoDB: what is listed before a question, and what happens with existing accounts."""

import asyncio
import json

import pytest

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.cli import start
from services.contracts.connections import normalise_server
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.runtime.environment import EX_CONFIG
from services.store.database import Store
from tests.component.cli.conftest import Serve, add_account, add_connection
from tests.support.builders import CONNECTION, NOW
from tests.support.command_line import KEY, SECRET, Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
def servers(serve: Serve) -> tuple[str, ...]:
    """Options of `connections add` for a company, and a Declaree with accounts 1001 and 1002 that fit two employees."""
    state = State.generate(employees=12, credential=Credential("papi-1", SECRET), clock=Clock(lambda: NOW))
    declaree = Declaree(api_key=KEY)
    active = [employee for employee in state.company.list_employees() if employee.status == "active"]
    for employee in active[:2]:
        given_name, family_name = (str(employee.values[key]).strip() for key in ("first_name", "last_name"))
        add_account(declaree, employee.email.strip(), given_name, family_name)
    url = serve(create_declaree(declaree)) + BASE_PATH
    return "--personio-url", serve(create_personio(state)), "--declaree-url", url


async def list_decided(store: Store, connection: ConnectionId, employees: list[str]) -> set[AccountId]:
    """Returns the accounts that decisions link with these employees."""
    people = [PersonKey(connection, EmployeeId(employee)) for employee in employees]
    return {account for (_, account), link in (await store.links.read(people)).items() if link.decision}


async def test_account_of_another_connection_is_not_offered(cli: Cli, store: Store, servers: tuple[str, ...]) -> None:
    """The writer rejects the employee in any case, so that a decision would have no effect."""
    connection = await asyncio.to_thread(add_connection, cli, *servers)
    owner = PersonKey(CONNECTION, EmployeeId("1"))
    await store.claims.claim_accounts(normalise_server(servers[-1]), {AccountId("1001"): owner})

    shown = await asyncio.to_thread(cli, "connections", "start", connection, "--dry-run", "--json")

    preview = json.loads(shown.output)
    (rejected,) = [person for person in preview["people"] if person["prospect"] == "rejected"]
    assert preview["counts"]["fitting"] == 1
    assert rejected["account"] == "1001"
    assert rejected["reason"] == f"it belongs to an employee of connection {CONNECTION}"


async def test_policy_by_email_is_shown_instead_of_a_question(cli: Cli, store: Store, servers: tuple[str, ...]) -> None:
    """The policy links these accounts in any case, so that another answer would be wrong."""
    connection = await asyncio.to_thread(add_connection, cli, *servers, "--link-policy", "by_email")
    shown = await asyncio.to_thread(cli, "connections", "start", connection, "--dry-run", "--json")

    started = await asyncio.to_thread(cli, "connections", "start", connection, stdin="y\n")

    fitting = [person["employee"] for person in json.loads(shown.output)["people"]]
    assert "the link policy of the connection is by_email" in started.output
    assert "Link the accounts" not in started.output
    assert await list_decided(store, connection, fitting) == {"1001", "1002"}


def test_connection_is_started_once(cli: Cli, connection: ConnectionId) -> None:
    """Neither system is asked, and the first import is not announced again."""
    again = cli("connections", "start", connection, "--yes", "--links", "none")

    assert again.exit_code == 1
    assert "`connections resume`" in again.output


def test_key_that_declaree_refuses_has_to_be_corrected(cli: Cli, servers: tuple[str, ...]) -> None:
    """A script must not repeat the command: the exit code is that of a wrong configuration."""
    connection = add_connection(cli, *servers)
    cli("connections", "secrets", connection, "--declaree", DECLAREE_KEY="wrong")

    refused = cli("connections", "start", connection, "--dry-run")

    assert refused.exit_code == EX_CONFIG
    assert "store it with `connections secrets ID --declaree`" in refused.output


@pytest.mark.parametrize("stdin", ["", "n\n"], ids=["about links", "about the start"])
def test_start_without_an_answer_names_both_options(cli: Cli, servers: tuple[str, ...], stdin: str) -> None:
    """`--yes` alone would be refused, because the decision about links is missing."""
    connection = add_connection(cli, *servers)

    ended = cli("connections", "start", connection, stdin=stdin, COLUMNS="200")

    assert "add --yes and --links fitting or --links none" in ended.output


def test_long_list_is_cut_before_a_question(
    cli: Cli, servers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts and the question stay in sight; a dry run lists all."""
    monkeypatch.setattr(start, "MAX_LINES", 1)
    connection = add_connection(cli, *servers)

    asked = cli("connections", "start", connection, stdin="n\nn\n").output
    shown = cli("connections", "start", connection, "--dry-run").output

    assert asked.count("  fitting   ") == 2
    assert "and 1 more: --dry-run lists all" in asked
    assert shown.count("account 100") == 2


def test_names_of_both_sides_are_shown_on_request_only(cli: Cli, servers: tuple[str, ...]) -> None:
    """Personal data is not printed unless it is asked for."""
    connection = add_connection(cli, *servers)

    without = json.loads(cli("connections", "start", connection, "--dry-run", "--json").output)["people"]
    named = json.loads(cli("connections", "start", connection, "--dry-run", "--names", "--json").output)["people"]

    assert {person["name"] for person in without} | {person["account_name"] for person in without} == {None}
    assert [person["name"] for person in named] == [person["account_name"] for person in named]
