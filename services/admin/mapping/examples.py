"""The pinned examples of a connection: which hold with a mapping, and the condition that they are for publishing one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from services.admin.shortening import join_first
from services.contracts.examples import PinnedExample
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument
from services.errors import ConfigurationError, PermanentError
from services.mapping.examples import ExampleFailure, find_failures
from services.mapping.rule_problems import find_rule_problems
from services.store.database import Store
from services.store.errors import StoreFailedError

MAX_NAMED = 20
"""Maximum number of differences that a message names."""


@dataclass(frozen=True, slots=True)
class ExampleCheck:
    """Which pinned examples of a connection hold with a mapping."""

    connection: ConnectionId
    """The connection."""
    number: int
    """Number of examples."""
    failures: tuple[ExampleFailure, ...]
    """What the mapping gives otherwise. The values can be personal data: show them only on request."""
    unreadable: tuple[str, ...]
    """Names of the examples that cannot be read."""

    @property
    def holding(self) -> int:
        """Number of examples that hold."""
        return self.number - len({failure.example for failure in self.failures}) - len(self.unreadable)

    @property
    def has_passed(self) -> bool:
        """Whether all examples can be read and hold."""
        return not self.failures and not self.unreadable


class FailingExamplesError(ConfigurationError):
    """Pinned examples do not hold with a mapping, or cannot be read. The message has no values, which can be personal data."""

    code: ClassVar[str] = "failing-examples"

    def __init__(self, check: ExampleCheck) -> None:
        """``check`` has failures or unreadable examples."""
        differences = [f"{failure.example}: {failure.place}: {failure.kinds}" for failure in check.failures]
        differences += [f"{name}: it cannot be read" for name in check.unreadable]
        shown = join_first(differences, MAX_NAMED, "; ")
        super().__init__(f"pinned examples do not hold ({shown}): {describe_next_step(check)}")
        self.check = check


class UnknownExampleError(PermanentError):
    """The connection has no example of this name."""

    code: ClassVar[str] = "unknown-example"


@dataclass(frozen=True, slots=True)
class ListedExample:
    """A pinned example, and whether it holds."""

    pinned: PinnedExample
    """The example. It can contain personal data."""
    published: tuple[ExampleFailure, ...] | None
    """What the published mapping gives otherwise; None without one, or if it cannot be used."""
    draft: tuple[ExampleFailure, ...] | None
    """What the draft gives otherwise; None without one, or if it cannot be used."""


@dataclass(frozen=True, slots=True)
class ExampleList:
    """The pinned examples of a connection."""

    examples: tuple[ListedExample, ...]
    """Those that can be read, by name."""
    unreadable: tuple[str, ...]
    """Names of those that cannot be read."""


def describe_next_step(check: ExampleCheck) -> str:
    """Returns what an administrator can do about examples that do not hold."""
    connection, ways = check.connection, []
    if check.failures:
        ways.append(
            f"correct the mapping; if its result is right, `mapping preview {connection} [FILE] --employee EMPLOYEE --pin NAME` "
            f"replaces an example by the new result, and `mapping unpin {connection} NAME` removes it"
        )
    if check.unreadable:
        ways.append(f"remove an example that cannot be read with `mapping unpin {connection} NAME`")
    return "; ".join(ways)


async def check_examples(store: Store, connection: ConnectionId, mapping: MappingDocument) -> ExampleCheck:
    """Returns which pinned examples hold with a mapping. A mapping that cannot be used fails none: publishing refuses it before."""
    stored = await store.examples.list_all(connection)
    failures = _find_failures(mapping, stored.examples) or ()
    return ExampleCheck(connection, len(stored.examples) + len(stored.unreadable), failures, stored.unreadable)


async def ensure_examples_hold(store: Store, connection: ConnectionId, mapping: MappingDocument) -> None:
    """Raises ``FailingExamplesError`` if a pinned example does not hold with a mapping, or cannot be read."""
    check = await check_examples(store, connection, mapping)
    if not check.has_passed:
        raise FailingExamplesError(check)


async def list_examples(store: Store, connection: ConnectionId) -> ExampleList:
    """Returns the pinned examples, each with whether it holds with the published mapping and with the draft.

    Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    stored = await store.examples.list_all(connection)
    published, draft = [_find_failures(mapping, stored.examples) for mapping in await _read_mappings(store, connection)]
    return ExampleList(
        tuple(ListedExample(one, _select(published, one), _select(draft, one)) for one in stored.examples),
        stored.unreadable,
    )


async def unpin(store: Store, connection: ConnectionId, name: str) -> None:
    """Removes a pinned example, also one that cannot be read. Raises ``UnknownConnectionError`` and ``UnknownExampleError``."""
    await store.connections.ensure_exists(connection)
    if not await store.examples.remove(connection, name):
        raise UnknownExampleError(
            f"connection {connection} has no example {name!r}: `mapping examples {connection}` lists them"
        )


async def _read_mappings(
    store: Store, connection: ConnectionId
) -> tuple[MappingDocument | None, MappingDocument | None]:
    """Returns the published mapping and the draft; None in place of one that cannot be read."""
    try:
        published = await store.mappings.get_published(connection)
    except StoreFailedError:
        published = None
    try:
        draft = await store.drafts.get(connection)
    except StoreFailedError:
        draft = None
    return published.mapping if published else None, draft.mapping if draft else None


def _find_failures(
    mapping: MappingDocument | None, examples: Iterable[PinnedExample]
) -> tuple[ExampleFailure, ...] | None:
    """Returns what a mapping gives otherwise; None without a mapping, or for one that cannot be used."""
    if mapping is None or find_rule_problems(mapping):
        return None
    return find_failures(mapping, [pinned.example for pinned in examples])


def _select(failures: tuple[ExampleFailure, ...] | None, pinned: PinnedExample) -> tuple[ExampleFailure, ...] | None:
    """Returns the failures of one example."""
    if failures is None:
        return None
    return tuple(failure for failure in failures if failure.example == pinned.example.name)
