"""Explains the account of one employee: each value from the account back to Personio, now and for past changes.

An explanation contains personal data. It is made for the person that asks, and not stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from services.admin.mapping.history import Progress, RecordPosition, SettledChange, find_position, read_history
from services.admin.mapping.versions import get_published
from services.admin.tasks import build_unknown_employee
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.contracts.events import AccountSynced, EmployeeChanged
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import PublishedMapping
from services.contracts.outcomes import Intent
from services.errors import ConnectorError, PermanentError
from services.mapping.engine import Engine
from services.mapping.explanations import FieldExplanation, explain_fields
from services.provisioning import paths
from services.provisioning.calls import Found, ReadAccount, Resource
from services.runtime.clock import Clock
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.settings import KafkaSettings
from services.store.database import Store


class NotRecordedError(PermanentError):
    """Kafka or the database no longer has what a past change is explained from."""

    code: ClassVar[str] = "not-recorded"


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One field: how its value is computed, beside what the account has."""

    explanation: FieldExplanation
    """How the value is computed."""
    held: object
    """What the account has; None if it has no value, or was not read. The manager is the id of an account here."""
    refused: str | None = None
    """Why the server did not take the value of this field; None if it took it, or was not asked."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The account of one employee after one change."""

    employee: EmployeeId
    """The employee."""
    revision: int
    """Revision of the change."""
    detected_at: datetime
    """When the poller detected it."""
    source_modified_at: datetime | None
    """Personio's own timestamp of it; None if Personio sends none."""
    position: RecordPosition | None
    """Where Kafka has the change; None if it has no record of it, or was not read."""
    is_kafka_read: bool
    """Whether Kafka has answered. Without, ``position`` says nothing."""
    mapping_version: int
    """The mapping version that the change is explained with; 0 if none was published."""
    intent: Intent
    """What the mapping asks for."""
    reason: str | None
    """Why the employee is rejected; None if they are not."""
    fields: tuple[ExplainedField, ...]
    """The fields that the mapping knows, the user name first."""
    account: AccountId | None
    """The account; None if none is known."""
    is_account_read: bool
    """Whether the account was read. Without, ``held`` says nothing. For a past change it is not."""
    outcome: AccountSynced | None
    """How the change was settled; for the newest change, how the newest settled one was. None before the first one."""
    is_past: bool = False
    """Whether a past change is explained, and not the account as it has to be now."""

    @property
    def is_settled(self) -> bool:
        """Whether the change was settled with this mapping version: the account then got what is computed."""
        version = (self.revision, self.mapping_version)
        return self.outcome is not None and tuple(self.outcome.version) == version


async def explain_employee(
    store: Store,
    settings: KafkaSettings,
    clock: Clock,
    connection: ConnectionId,
    employee: EmployeeId,
    *,
    allow_private: bool,
) -> Explanation:
    """Returns the explanation of the account as it has to be now. Reads the account in Declaree, and writes nothing.

    ``allow_private`` allows addresses of private networks. Raises ``UnknownConnectionError``, ``InvalidMappingError``,
    ``UnknownEmployeesError``, ``StoreFailedError`` and ``EncryptionKeyError``.
    """
    published = await get_published(store, connection)
    snapshot = (await store.snapshots.read(connection, [employee])).get(employee)
    if snapshot is None:
        raise build_unknown_employee(connection, employee)
    change = snapshot.to_event()
    entry = await store.ledger.get(PersonKey(connection, employee))
    account = entry.account_id if entry else None
    live = await _read_account(store, clock, connection, account, allow_private=allow_private) if account else None
    explanation = build_explanation(published, change, entry, live)
    try:
        position = await find_position(settings, change, clock.now())
    except KafkaUnavailableError:
        return explanation  # the rest of it does not depend on Kafka
    return replace(explanation, position=position, is_kafka_read=True)


async def explain_past(
    store: Store,
    settings: KafkaSettings,
    clock: Clock,
    connection: ConnectionId,
    employee: EmployeeId,
    revision: int,
    progress: Progress,
) -> Explanation:
    """Returns the explanation of a past change, with the mapping version that it was last settled with.

    Raises ``UnknownConnectionError``, ``KafkaUnavailableError``, ``StoreFailedError``, and ``NotRecordedError`` if Kafka no longer
    has the change and its outcome, or the database no longer has the mapping version.
    """
    settled = await list_settled(store, settings, clock, connection, employee, progress)
    found = [one for one in settled if one.outcome.revision == revision]
    hint = f"`mapping explain {connection} {employee} --history` lists what is recorded"
    if not found or found[0].change is None:
        raise NotRecordedError(f"Kafka has no change with revision {revision} of employee {employee}: {hint}")
    version = found[0].outcome.mapping_version
    published = await store.mappings.get_version(connection, version) if version else None
    if version and published is None:
        raise NotRecordedError(f"connection {connection} no longer has version {version} of its mapping: {hint}")
    return build_past_explanation(published, found[0])


async def list_settled(
    store: Store,
    settings: KafkaSettings,
    clock: Clock,
    connection: ConnectionId,
    employee: EmployeeId,
    progress: Progress,
) -> tuple[SettledChange, ...]:
    """Returns the settled changes of an employee that Kafka has, the newest first.

    Raises ``UnknownConnectionError`` and ``KafkaUnavailableError``.
    """
    await store.connections.ensure_exists(connection)
    history = await read_history(settings, PersonKey(connection, employee), clock.now(), progress)
    return history.settled


def build_explanation(
    published: PublishedMapping,
    change: EmployeeChanged,
    entry: LedgerEntry | None,
    live: Resource | None,
) -> Explanation:
    """Returns the explanation of the newest change, without reading Kafka. ``entry`` and the account ``live`` can be unknown. Pure."""
    request = Engine(published).map(change)
    return Explanation(
        employee=change.employee_id,
        revision=change.revision,
        detected_at=change.detected_at,
        source_modified_at=change.source_modified_at,
        position=None,
        is_kafka_read=False,
        mapping_version=published.version,
        intent=request.intent,
        reason=request.reason,
        fields=_explain_all(
            published, change, {field.path: field.code for field in entry.refused} if entry else {}, live
        ),
        account=entry.account_id if entry else None,
        is_account_read=live is not None,
        outcome=entry.decided if entry else None,
    )


def build_past_explanation(published: PublishedMapping | None, settled: SettledChange) -> Explanation:
    """Returns the explanation of a settled change of which Kafka has the event. None for ``published``: there was none. Pure."""
    if settled.change is None:
        raise ValueError("a change that is not recorded cannot be explained")
    change, outcome = settled.change.change, settled.outcome
    request = Engine(published).map(change)
    refused = dict.fromkeys(outcome.refused, outcome.reason or outcome.outcome.value)
    return Explanation(
        employee=change.employee_id,
        revision=change.revision,
        detected_at=change.detected_at,
        source_modified_at=change.source_modified_at,
        position=settled.change.position,
        is_kafka_read=True,
        mapping_version=outcome.mapping_version,
        intent=request.intent,
        reason=request.reason,
        fields=_explain_all(published, change, refused, None) if published else (),
        account=outcome.account_id,
        is_account_read=False,
        outcome=outcome,
        is_past=True,
    )


def _explain_all(
    published: PublishedMapping, change: EmployeeChanged, refused: Mapping[str, str], live: Resource | None
) -> tuple[ExplainedField, ...]:
    return tuple(
        ExplainedField(field, paths.read(live.body, field.target) if live else None, refused.get(field.target))
        for field in explain_fields(published.mapping, change.attributes)
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
