"""The texts of commands with which an administrator decides, compared with ``tests/golden/cli``."""

import asyncio
from typing import Any

import pytest

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.contracts.claims import LinkDecision
from services.contracts.events import Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.component.cli.conftest import Serve, add_account, add_connection, record_task, store_attention
from tests.support.builders import NOW, make_attributes, make_entry, make_snapshot
from tests.support.command_line import KEY, SECRET, Cli, Transcript

pytestmark = pytest.mark.mongo


def test_texts_of_connections_start(cli: Cli, serve: Serve) -> None:
    """The command shows what a first import would do, and starts it after a confirmation."""
    start = Transcript(cli)
    state = State.generate(employees=12, credential=Credential("papi-1", SECRET), clock=Clock(lambda: NOW))
    server = Declaree(api_key=KEY)
    fitting, other, *_ = [employee for employee in state.company.list_employees() if employee.status == "active"]
    names = [str(fitting.values[key]).strip() for key in ("first_name", "last_name")]
    add_account(server, fitting.email.strip(), *names)
    add_account(server, other.email.strip(), "Another", "Person")
    urls = (
        *("--personio-url", serve(create_personio(state))),
        *("--declaree-url", serve(create_declaree(server)) + BASE_PATH),
    )
    command = ("connections", "start", add_connection(cli, *urls))

    start.record("A dry run.", *command, "--dry-run")
    start.record("With names, and no confirmation.", *command, "--names", stdin="n\nn\n")
    start.record("For scripts, without a decision about links.", *command, "--yes")
    start.record("After a confirmation.", *command, stdin="y\ny\n")

    start.compare("connections-start")


async def store_questions(store: Store, connection: ConnectionId, free: AccountId, held: AccountId) -> None:
    """Stores two employees with open decisions: 7 about a free account, and 8 about one of a leaver."""
    wanted = {"7": free, "8": held}
    await store.snapshots.save(
        [(make_snapshot(employee, connection_id=connection, attributes=make_attributes()), None) for employee in wanted]
    )
    await store.links.ask(
        [
            LinkDecision(
                connection_id=connection,
                employee_id=EmployeeId(employee),
                account_id=account,
                former_owner=EmployeeId("6") if account == held else None,
                account_hash="shown",
                asked_at=NOW,
            )
            for employee, account in wanted.items()
        ]
    )
    await store.ledger.write(
        [make_entry(employee, connection_id=connection, blocked_by=account) for employee, account in wanted.items()]
    )


async def store_held(store: Store, connection: ConnectionId, *employees: str) -> None:
    """Stores employees with a change that the brake holds."""
    waiting = Waiting(cause=WaitingCause.DISABLING_HELD, since=NOW, version=Version(1_000, 3))
    held: dict[str, Any] = {"connection_id": connection, "waiting": waiting, "is_disabling_held": True}
    attributes = make_attributes()
    await store.snapshots.save(
        [(make_snapshot(employee, connection_id=connection, attributes=attributes), None) for employee in employees]
    )
    await store.ledger.write([make_entry(employee, account_id=f"a-{employee}", **held) for employee in employees])


async def test_texts_of_links(cli: Cli, store: Store, serve: Serve) -> None:
    """Both sides are shown before a decision, and a decision that does not fit the account names the right command."""
    list_, accept, refuse, hand_over = [Transcript(cli) for _ in range(4)]
    server = Declaree(api_key=KEY)
    free = add_account(server, "ada@nordlicht.example", "Ada", "King", roles=[{"value": "administrator"}])
    held = add_account(server, "office@nordlicht.example", "Eva", "Byron", externalId="6", active=False)
    url = serve(create_declaree(server)) + BASE_PATH
    connection = await asyncio.to_thread(add_connection, cli, "--declaree-url", url)
    await asyncio.to_thread(list_.record, "No open decision.", "links", "list", connection)
    await store_questions(store, connection, free, held)

    def decide(transcript: Transcript, situation: str, command: str, account: AccountId, **more: Any) -> Any:
        return asyncio.to_thread(
            transcript.record,
            situation,
            *("links", command, connection, "8" if account == held else "7", account),
            *more.pop("options", ()),
            **more,
        )

    await asyncio.to_thread(list_.record, "Two open decisions.", "links", "list", connection)
    assert "hint     decisions: 2 accounts" in (await asyncio.to_thread(cli, "status")).output
    await asyncio.to_thread(list_.record, "With both sides.", "links", "list", connection, "--names")
    await decide(accept, "An account of a leaver.", "accept", held, options=("--yes",))
    await decide(accept, "Without a confirmation.", "accept", free, stdin="n\n")
    await decide(accept, "After a confirmation.", "accept", free, stdin="y\n")
    await decide(accept, "An account that no decision is asked about.", "accept", AccountId("none"), options=("--yes",))
    await decide(refuse, "After a confirmation.", "refuse", free, stdin="y\n")
    await decide(hand_over, "An account without a former owner.", "hand-over", free, options=("--yes",))
    await decide(hand_over, "After a confirmation.", "hand-over", held, stdin="y\n")
    entries = [make_entry("7", connection_id=connection, account_id=free), make_entry("8", connection_id=connection)]
    await store.ledger.write([entry.model_copy(update={"seq": 2}) for entry in entries])
    await decide(refuse, "An account that is linked already.", "refuse", free, options=("--yes",))
    await decide(refuse, "An account that the employee no longer needs.", "refuse", held, options=("--yes",))

    list_.compare("links-list")
    accept.compare("links-accept")
    refuse.compare("links-refuse")
    hand_over.compare("links-hand-over")


async def test_texts_of_release_disabling(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The number is shown before the decision, and the names only on request."""
    release = Transcript(cli)
    command = ("connections", "release-disabling", connection)
    await asyncio.to_thread(release.record, "Nothing is held.", *command)
    await store_held(store, connection, "8", "7")

    await asyncio.to_thread(release.record, "Without a confirmation.", *command, stdin="n\n")
    await asyncio.to_thread(release.record, "With names, and a confirmation.", *command, "--names", stdin="y\n")
    await store_held(store, connection, "9")
    await asyncio.to_thread(release.record, "For scripts.", *command, "--yes", "--json")

    release.compare("connections-release-disabling")


async def test_texts_of_people_disable(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The poller publishes the departure, unless Personio lists the employee."""
    disable = Transcript(cli)
    command = ("people", "disable", connection, "5")
    await store_attention(store, connection)

    await asyncio.to_thread(disable.record, "Without a confirmation.", *command, stdin="n\n")
    await record_task(disable, store, connection, "An absent employee.", *command, "--yes", counts={"disabled": 1})
    await record_task(disable, store, connection, "A present employee.", *command, "--yes", counts={"disabled": 0})
    await record_task(disable, store, connection, "A failed task.", *command, "--yes")
    await asyncio.to_thread(disable.record, "An unknown employee.", *command[:-1], "98", "--yes")

    disable.compare("people-disable")


async def test_texts_of_people_acknowledge_and_reset(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """An absent employee is no longer reported, and a reset employee is resent."""
    acknowledge, reset = Transcript(cli), Transcript(cli)
    await store_attention(store, connection)

    await asyncio.to_thread(
        acknowledge.record, "After a confirmation.", "people", "acknowledge", connection, "5", stdin="y\n"
    )
    await asyncio.to_thread(
        acknowledge.record, "A present employee.", "people", "acknowledge", connection, "1", "--yes"
    )
    await asyncio.to_thread(
        acknowledge.record, "An unknown employee.", "people", "acknowledge", connection, "98", "--yes"
    )
    await asyncio.to_thread(reset.record, "After a confirmation.", "people", "reset", connection, "2", stdin="y\n")
    await asyncio.to_thread(reset.record, "An unknown connection.", "people", "reset", "c-unknown", "2", "--yes")
    await asyncio.to_thread(reset.record, "An unknown employee.", "people", "reset", connection, "98", "--yes")

    acknowledge.compare("people-acknowledge")
    reset.compare("people-reset")
