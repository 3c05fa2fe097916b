"""Explains the account of one employee: each value from the account back to Personio.

An explanation contains personal data. It is made for the person that asks, and not stored.
"""

from dataclasses import dataclass
from datetime import datetime

from services.admin.mappings import get_published
from services.admin.tasks import build_unknown_employee
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.contracts.events import AccountSynced
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import PublishedMapping
from services.contracts.outcomes import Intent
from services.contracts.snapshots import Snapshot
from services.errors import ConnectorError
from services.mapping.engine import Engine
from services.mapping.explanations import FieldExplanation, explain_fields
from services.provisioning import paths
from services.provisioning.calls import Found, ReadAccount, Resource
from services.runtime.clock import Clock
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One field: how its value is computed now, beside what the account has."""

    explanation: FieldExplanation
    """How the value is computed."""
    held: object
    """What the account has; None if it has no value, or could not be read. The manager is the id of an account here."""
    refused: str | None = None
    """Why the server did not take the last value of this field: status and code; None if it took it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The account of one employee."""

    employee: EmployeeId
    """The employee."""
    revision: int
    """Revision of the newest change of the employee."""
    detected_at: datetime
    """When the poller detected it."""
    source_modified_at: datetime | None
    """Personio's own timestamp of it; None if Personio sends none."""
    mapping_version: int
    """The mapping version in force."""
    intent: Intent
    """What the mapping asks for."""
    reason: str | None
    """Why the employee is rejected; None if they are not."""
    fields: tuple[ExplainedField, ...]
    """The fields that the mapping knows, the user name first."""
    account: AccountId | None
    """The account; None if none is known."""
    is_account_read: bool
    """Whether the account was read. Without, ``held`` says nothing."""
    outcome: AccountSynced | None
    """How the newest settled change ended; None before the first one."""

    @property
    def is_settled(self) -> bool:
        """Whether the newest change was settled with the mapping in force: the account then has what is computed."""
        version = (self.revision, self.mapping_version)
        return self.outcome is not None and tuple(self.outcome.version) == version


async def explain_employee(
    store: Store, clock: Clock, connection: ConnectionId, employee: EmployeeId, *, allow_private: bool
) -> Explanation:
    """Returns the explanation of one employee. Reads the account in Declaree, and writes nothing.

    ``allow_private`` allows addresses of private networks. Raises ``UnknownConnectionError``, ``InvalidMappingError``,
    ``UnknownEmployeesError``, ``StoreFailedError`` and ``EncryptionKeyError``.
    """
    published = await get_published(store, connection)
    snapshot = (await store.snapshots.read(connection, [employee])).get(employee)
    if snapshot is None:
        raise build_unknown_employee(connection, employee)
    entry = await store.ledger.get(PersonKey(connection, employee))
    account = entry.account_id if entry else None
    live = await _read_account(store, clock, connection, account, allow_private=allow_private) if account else None
    return build_explanation(published, snapshot, entry, live)


def build_explanation(
    published: PublishedMapping, snapshot: Snapshot, entry: LedgerEntry | None, live: Resource | None
) -> Explanation:
    """Returns the explanation of an employee. ``entry`` and the account ``live`` can be unknown. Pure."""
    refused = {field.path: field.code for field in entry.refused} if entry else {}
    request = Engine(published).map(snapshot.to_event())
    return Explanation(
        employee=snapshot.employee_id,
        revision=snapshot.revision,
        detected_at=snapshot.detected_at,
        source_modified_at=snapshot.source_modified_at,
        mapping_version=published.version,
        intent=request.intent,
        reason=request.reason,
        fields=tuple(
            ExplainedField(field, paths.read(live.body, field.target) if live else None, refused.get(field.target))
            for field in explain_fields(published.mapping, snapshot.attributes)
        ),
        account=entry.account_id if entry else None,
        is_account_read=live is not None,
        outcome=entry.decided if entry else None,
    )


async def _read_account(
    store: Store, clock: Clock, connection: ConnectionId, account: AccountId, *, allow_private: bool
) -> Resource | None:
    """Returns the account as Declaree shows it; None if it cannot be read now, or does not exist."""
    access = (await store.connections.get(connection)).declaree
    client = DeclareeClient(
        access, clock=clock, concurrency=1, longest_hold=SHORT_HOLD_SECONDS, allow_private=allow_private
    )
    try:
        answer = await client.perform(ReadAccount(account))
    except ConnectorError:
        return None  # the rest of the explanation does not depend on Declaree
    finally:
        await client.close()
    shown = answer.resources if isinstance(answer, Found) else ()
    return next((live for live in shown if live.id == account), None)
