"""The versions of a connection's mapping: one draft, and published versions that never change."""

from datetime import timedelta
from typing import ClassVar, Literal, TypeAlias

from services.admin.connections import get_summary
from services.admin.mapping.documents import InvalidMappingError, ensure_usable
from services.admin.mapping.examples import ensure_examples_hold
from services.admin.prefixes import ensure_distinct
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MAX_RULES, EmploymentDates, MappingDocument, MappingDraft, PublishedMapping
from services.contracts.tasks import Poll, Resend
from services.errors import ConfigurationError
from services.mapping.differences import find_dropped_rules
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import Clock
from services.store.database import Store
from services.store.errors import DraftConflictError, StoreFailedError

MAX_NOTE_LENGTH = 500
"""Maximum number of characters of a note."""
DroppedFields: TypeAlias = Literal["leave", "clear"]
"""What happens with the values of fields that the earlier version wrote and the new one does not mention."""


class NoSuchVersionError(ConfigurationError):
    """A version or a draft of a mapping does not exist."""

    code: ClassVar[str] = "no-such-version"


class OutdatedDraftError(ConfigurationError):
    """Another version was published since the draft was begun."""

    code: ClassVar[str] = "outdated-draft"

    def __init__(self, draft: MappingDraft, version: int) -> None:
        """``version`` is the published one."""
        connection = draft.connection_id
        super().__init__(
            f"version {version} was published since the draft was begun with version {draft.based_on}: compare them with "
            f"`mapping diff {connection}`, export the draft with `mapping export {connection} --draft`, discard it with "
            f"`mapping discard {connection}`, and save your changes again with `mapping import --draft`"
        )


class DroppedFieldsError(ConfigurationError):
    """A mapping does not mention fields that the published version writes, and nothing says what happens with their values."""

    code: ClassVar[str] = "dropped-fields"

    def __init__(self, targets: tuple[str, ...]) -> None:
        """``targets`` are the fields."""
        super().__init__(
            f"the published version writes {', '.join(targets)}, and this one does not mention these fields: "
            "say what happens with their values, with `--dropped leave` or `--dropped clear`"
        )
        self.targets = targets


async def get_published(store: Store, connection: ConnectionId) -> PublishedMapping:
    """Returns the newest version.

    Raises ``UnknownConnectionError``, ``InvalidMappingError`` if no mapping is published, and ``StoreFailedError`` if it cannot be
    read.
    """
    await store.connections.ensure_exists(connection)
    published = await store.mappings.get_published(connection)
    if published is None:
        raise InvalidMappingError(
            f"connection {connection} has no published mapping: publish one with `mapping import`"
        )
    return published


async def get_version(store: Store, connection: ConnectionId, version: int) -> PublishedMapping:
    """Returns one version. Raises ``UnknownConnectionError``, ``NoSuchVersionError`` and ``StoreFailedError``."""
    await store.connections.ensure_exists(connection)
    published = await store.mappings.get_version(connection, version)
    if published is None:
        raise NoSuchVersionError(
            f"connection {connection} has no version {version} of its mapping: `mapping history {connection}` lists them"
        )
    return published


async def find_draft(store: Store, connection: ConnectionId) -> MappingDraft | None:
    """Returns the draft; None without one. Raises ``UnknownConnectionError`` and ``StoreFailedError``."""
    await store.connections.ensure_exists(connection)
    return await store.drafts.get(connection)


async def get_draft(store: Store, connection: ConnectionId) -> MappingDraft:
    """Returns the draft. Raises ``UnknownConnectionError``, ``NoSuchVersionError`` and ``StoreFailedError``."""
    draft = await find_draft(store, connection)
    if draft is None:
        raise NoSuchVersionError(
            f"connection {connection} has no draft of its mapping: save one with `mapping import {connection} FILE --draft`"
        )
    return draft


async def list_versions(store: Store, connection: ConnectionId) -> tuple[PublishedMapping, ...]:
    """Returns all versions that can be read, newest first. Raises ``UnknownConnectionError``."""
    await store.connections.ensure_exists(connection)
    return await store.mappings.list_versions(connection)


async def save_draft(
    store: Store, clock: Clock, connection: ConnectionId, mapping: MappingDocument, *, by: str, revision: int
) -> MappingDraft:
    """Saves the draft under the next revision, and changes nothing else.

    ``revision`` is the one that the caller has seen; 0 if there was none. Raises ``UnknownConnectionError``,
    ``DraftConflictError`` if the draft has another one, and ``StoreFailedError`` if it cannot be read.
    """
    await find_draft(store, connection)  # one that cannot be read is discarded, never replaced unseen
    newest = (await store.mappings.find_newest_versions([connection])).get(connection, 0)
    return await store.drafts.save(
        connection, mapping, based_on=newest, expected_revision=revision, by=by, now=clock.now()
    )


async def discard_draft(store: Store, connection: ConnectionId) -> bool:
    """Removes the draft, also one that cannot be read. Returns whether there was one. Raises ``UnknownConnectionError``."""
    await store.connections.ensure_exists(connection)
    return await store.drafts.discard(connection)


def withdraw_dropped(
    before: MappingDocument | None, after: MappingDocument, dropped: DroppedFields | None
) -> MappingDocument:
    """Returns the mapping to publish after ``before``.

    ``dropped`` says what happens with the values of fields that only ``before`` mentions: ``leave`` leaves them in the accounts,
    ``clear`` withdraws them. With None, such fields raise ``DroppedFieldsError``.
    """
    rules = find_dropped_rules(before, after)
    if not rules:
        return after
    if dropped is None:
        raise DroppedFieldsError(tuple(rule.target for rule in rules))
    withdrawn = rules if dropped == "clear" else ()
    if len(after.withdrawn) + len(withdrawn) > MAX_RULES:
        raise InvalidMappingError(f"the mapping would withdraw more than {MAX_RULES} rules: drop fewer fields at once")
    return after.model_copy(update={"withdrawn": (*after.withdrawn, *withdrawn)})


async def get_current_draft(store: Store, connection: ConnectionId) -> MappingDraft:
    """Returns the draft, if no other version was published since it was begun.

    Raises what ``get_draft`` raises, and ``OutdatedDraftError``.
    """
    draft = await get_draft(store, connection)
    newest = (await store.mappings.find_newest_versions([connection])).get(connection, 0)
    if newest != draft.based_on:
        raise OutdatedDraftError(draft, newest)
    return draft


async def publish_draft(
    store: Store, clock: Clock, draft: MappingDraft, *, by: str, note: str | None, dropped: DroppedFields | None
) -> PublishedMapping:
    """Publishes a draft and removes it.

    Raises what ``get_current_draft`` and ``publish`` raise, and ``DraftConflictError`` if the draft has changed since the caller read
    it.
    """
    current = await get_current_draft(store, draft.connection_id)
    if current.revision != draft.revision:
        raise DraftConflictError(draft.connection_id)
    published = await publish(
        store,
        clock,
        draft.connection_id,
        draft.mapping,
        by=by,
        note=note,
        dropped=dropped,
        expected_version=draft.based_on,
    )
    await store.drafts.discard(draft.connection_id, revision=draft.revision)
    return published


async def publish(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    mapping: MappingDocument,
    *,
    by: str,
    note: str | None = None,
    dropped: DroppedFields | None = None,
    expected_version: int | None = None,
) -> PublishedMapping:
    """Publishes the mapping as the next version and files a task that resends all employees.

    If the mapping reads further attributes, or dates in another way, all employees are polled before. Until then the values of
    these attributes are unknown, and the fields stay as they are. Nothing is written for a paused connection: its changes wait
    until it is resumed. The writer writes real differences only. ``expected_version`` is the newest version that the caller has
    seen; None skips the check.

    Raises ``UnknownConnectionError``, ``InvalidMappingError`` for an expression or a transform that cannot be used,
    ``DroppedFieldsError``, ``FailingExamplesError`` if a pinned example does not hold, ``MappingConflictError``,
    ``InvalidPrefixError``, and ``PrefixConflictError`` if another connection to the same Declaree could have equal external ids.
    """
    summary = await get_summary(store, connection)
    ensure_usable(mapping)
    await ensure_distinct(store, summary.declaree_url, mapping.external_id_prefix, connection)
    before = await read_before(store, connection)
    mapping = withdraw_dropped(before, mapping, dropped)
    await ensure_examples_hold(store, connection, mapping)
    if expected_version is None:
        expected_version = (await store.mappings.find_newest_versions([connection])).get(connection, 0)
    now = clock.now()
    # one transaction: without the tasks, the new version would reach only employees that change later
    async with store.transaction() as session:
        published = await store.mappings.publish(
            connection,
            mapping,
            now=now,
            expected_version=expected_version,
            by=by,
            note=note,
            session=session,
        )
        if _needs_poll(before, mapping) and summary.state is ConnectionState.ACTIVE:
            await store.tasks.file_within(session, connection, Poll(), now=now)
        task = Resend(scope="all", reason=f"mapping version {published.version} was published")
        # tasks are carried out in the order of their times
        await store.tasks.file_within(session, connection, task, now=now + timedelta(milliseconds=1))
    return published


async def read_before(store: Store, connection: ConnectionId) -> MappingDocument | None:
    """Returns the mapping in force; None without one, and for one that cannot be read: publishing replaces it."""
    try:
        published = await store.mappings.get_published(connection)
    except StoreFailedError:
        return None
    return None if published is None else published.mapping


def _needs_poll(before: MappingDocument | None, after: MappingDocument) -> bool:
    dates_before = EmploymentDates() if before is None else before.employment
    return bool(find_wanted_attributes(after) - find_wanted_attributes(before)) or after.employment != dates_before
