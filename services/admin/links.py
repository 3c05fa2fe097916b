"""Decisions about accounts that existed before: list them with both sides, and decide."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.contracts.claims import Decision, LinkDecision
from services.contracts.connections import DeclareeAccess
from services.contracts.employees import get_string
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import ABOUT_ONE_LOOKUP
from services.contracts.snapshots import Snapshot
from services.contracts.tasks import Resend
from services.errors import PermanentError, TransientError
from services.provisioning import paths
from services.provisioning.calls import Found, ReadAccount, Resource
from services.provisioning.privileges import is_privileged
from services.provisioning.recognition import hash_account
from services.provisioning.states import get_external_id, is_enabled
from services.runtime.clock import Clock
from services.store.database import Store

MAX_TEXT = 200
"""Number of characters from which a text of an account is cut."""


class UnknownLinkError(PermanentError):
    """No decision was asked for about this employee and this account."""

    code: ClassVar[str] = "unknown-link"


class UnfitDecisionError(PermanentError):
    """The decision is not possible for this account."""

    code: ClassVar[str] = "unfit-decision"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a decision. It contains personal data: show it only to the person that asks."""

    name: str
    """First and last name."""
    address: str
    """E-mail address or user name."""
    details: str
    """What else helps to decide, in words."""


@dataclass(frozen=True, slots=True)
class Link:
    """One decision, with both sides if they were asked for."""

    decision: LinkDecision
    """The decision."""
    employee: Side | None = None
    """The employee in Personio; None if the names were not asked for, or the employee is unknown."""
    account: Side | None = None
    """The account in Declaree; None if the names were not asked for, or the account no longer exists."""
    account_hash: str | None = None
    """Hash of the account as it is shown; None if it is not shown."""


async def list_links(
    store: Store, clock: Clock, connection: ConnectionId, *, with_names: bool = False, allow_private: bool
) -> AsyncIterator[Link]:
    """Yields the open decisions that employees wait for. With ``with_names``, each account is read from Declaree.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, and with names also ``TransientError`` and ``EncryptionKeyError``.
    """
    await store.connections.ensure_exists(connection)
    access = (await store.connections.get(connection)).declaree if with_names else None
    async for page in store.links.page_open(connection):
        entries = await store.ledger.read([decision.person for decision in page])
        for decision in page:
            if _is_awaited(entries.get(decision.person), decision.account_id):
                yield (
                    Link(decision)
                    if access is None
                    else await _describe(store, clock, access, decision, allow_private=allow_private)
                )


async def count_links(store: Store, connection: ConnectionId) -> int:
    """Returns the number of open decisions that employees wait for."""
    count = 0
    async for page in store.links.page_open(connection):
        entries = await store.ledger.read([decision.person for decision in page])
        count += sum(_is_awaited(entries.get(decision.person), decision.account_id) for decision in page)
    return count


def _is_awaited(entry: LedgerEntry | None, account: AccountId) -> bool:
    """Whether the account still conflicts with the employee: it may have got another e-mail address since the question."""
    return entry is not None and entry.blocked_by == account


async def get_link(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    employee: EmployeeId,
    account: AccountId,
    *,
    allow_private: bool,
) -> Link:
    """Returns one decision with both sides. ``allow_private`` allows addresses of private networks.

    Raises ``UnknownLinkError``, ``UnfitDecisionError`` and the errors of ``list_links``.
    """
    stored = await store.connections.get(connection)
    decision = await _find(store, connection, employee, account)
    return await _describe(store, clock, stored.declaree, decision, allow_private=allow_private)


async def decide(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    employee: EmployeeId,
    account: AccountId,
    decision: Decision,
    shown: Link | None = None,
) -> LinkDecision:
    """Stores a decision, and resends the employee so that it takes effect.

    ``shown`` is what the administrator saw before; None if nothing was shown. The decision counts for this account with this
    content and owner only. Raises ``UnknownConnectionError``, ``UnknownLinkError`` and ``UnfitDecisionError``.
    """
    await store.connections.ensure_exists(connection)
    asked = shown.decision if shown else await _find(store, connection, employee, account)
    if decision is Decision.HAND_OVER and not asked.is_held_by_leaver:
        raise UnfitDecisionError(f"account {account} has no former owner: use `links accept` or `links refuse`")
    if decision is Decision.LINK and asked.is_held_by_leaver:
        raise UnfitDecisionError(
            f"account {account} belongs to an employee that has left: use `links hand-over` or `links refuse`"
        )
    account_hash = shown.account_hash if shown else None
    decided = await store.links.decide(asked, decision, clock.now(), account_hash=account_hash)
    if decided is None:
        raise _build_unknown(connection, employee, account)
    action = Resend(scope="people", people=(employee,), reason="an administrator decided about an account")
    await store.tasks.file(connection, action, now=clock.now())
    return decided


async def _find(store: Store, connection: ConnectionId, employee: EmployeeId, account: AccountId) -> LinkDecision:
    person = PersonKey(connection, employee)
    found = (await store.links.read([person])).get((person, account))
    entry = await store.ledger.get(person)
    if found is not None and entry is not None and entry.account_id == account:
        raise UnfitDecisionError(
            f"account {account} is linked with employee {employee} of connection {connection} already: nothing is left to decide"
        )
    if found is None or not _is_awaited(entry, account):
        raise _build_unknown(connection, employee, account)
    return found


def _build_unknown(connection: ConnectionId, employee: EmployeeId, account: AccountId) -> UnknownLinkError:
    return UnknownLinkError(
        f"no decision is asked for about employee {employee} and account {account} in connection {connection}: "
        "see `links list`"
    )


async def _describe(
    store: Store, clock: Clock, access: DeclareeAccess, decision: LinkDecision, *, allow_private: bool
) -> Link:
    snapshots = await store.snapshots.read(decision.connection_id, [decision.employee_id])
    snapshot = snapshots.get(decision.employee_id)
    client = DeclareeClient(
        access, clock=clock, concurrency=1, longest_hold=SHORT_HOLD_SECONDS, allow_private=allow_private
    )
    account, account_hash = await _read_account(client, decision.account_id)
    return Link(decision, _describe_employee(snapshot) if snapshot else None, account, account_hash)


async def _read_account(client: DeclareeClient, account: AccountId) -> tuple[Side | None, str | None]:
    """Returns what Declaree shows of an account, and its hash; None if it does not exist, or if Declaree shows another one.

    Closes the client.
    """
    try:
        answer = await client.perform(ReadAccount(account))
    except TransientError as error:
        if error.code not in ABOUT_ONE_LOOKUP:
            raise
        return Side("unknown name", "unknown address", "Declaree does not show this account now"), None
    finally:
        await client.close()
    lives = answer.resources if isinstance(answer, Found) else ()
    shown = next((live for live in lives if live.id == account), None)
    return (None, None) if shown is None else (_describe_account(shown), hash_account(shown))


def _describe_employee(snapshot: Snapshot) -> Side:
    attributes = snapshot.attributes
    names = (get_string(attributes, "first_name"), get_string(attributes, "last_name"))
    return Side(
        " ".join(name for name in names if name),
        get_string(attributes, "email") or "no e-mail address",
        f"status {snapshot.status or 'unknown'}",
    )


def _describe_account(live: Resource) -> Side:
    names = (paths.read(live.body, "name.givenName"), paths.read(live.body, "name.familyName"))
    external_id = get_external_id(live)
    details = [
        "enabled" if is_enabled(live) else "disabled",
        f"external id {external_id}" if external_id else "no external id",
        *(["has a role"] if is_privileged(live) else []),
    ]
    return Side(
        _clean(" ".join(name for name in names if isinstance(name, str))),
        _clean(str(paths.read(live.body, "userName") or "no user name")),
        _clean(", ".join(details)),
    )


def _clean(text: str) -> str:
    """Returns a text of a server on one line: with several lines it could imitate lines of this program."""
    line = " ".join(text[: 2 * MAX_TEXT].encode(errors="replace").decode().split())
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]}…"
