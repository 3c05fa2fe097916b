"""What is known about one SCIM server: what it says about itself, and what was learnt by writing to it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from services.contracts.ids import AccountId
from services.provisioning.desired import OPTIONAL, Change

VENDOR_HOSTS = ("declaree.com", "declaree.de")
"""Hosts of the vendor. Its page about SCIM shows forms that differ from the RFC."""
CONFLICTS = frozenset({"409", "423"})
"""Codes of a conflict: another way of writing does not resolve it."""


class Way(StrEnum):
    """A way to write a change of an account."""

    PATHS = "patch-paths"
    """PATCH, one operation for each field, with paths of RFC 7644, such as ``name.familyName``."""
    WHOLE = "patch-whole-values"
    """PATCH, one operation for each attribute, with its whole value, such as ``name``."""
    PATHLESS = "patch-without-path"
    """PATCH, one operation without a path, with an object of attributes."""
    PAGE = "patch-vendor-page"
    """PATCH with the forms on the vendor's page, such as ``familyName`` and ``emails[email.type eq 'work']``."""
    PUT = "put"
    """PUT of the whole resource."""
    PUT_WITH_ID = "put-with-id"
    """PUT of the whole resource with ``id`` in the body."""
    PUT_COLLECTION = "put-collection"
    """``PUT /Users`` without an id in the path, as printed on the vendor's page."""

    @property
    def is_patch(self) -> bool:
        """Whether the way sends a PATCH."""
        return self in {Way.PATHS, Way.WHOLE, Way.PATHLESS, Way.PAGE}


class Failure(NamedTuple):
    """A write that did not make all of its changes."""

    way: Way
    """The way of writing."""
    changes: tuple[Change, ...]
    """The changes that were sent together."""
    code: str
    """Why they were not made: the server's code, or that it did not store them."""


def get_kind(code: str) -> str:
    """Returns the ``scimType`` of a code such as ``400, invalidValue``, or the status of a code without one."""
    return code.rpartition(", ")[2]


@dataclass(frozen=True, slots=True)
class ServerDescription:
    """What the server says about itself (RFC 7644, section 4). None stands for what it does not say."""

    patch: bool | None = None
    """Whether PATCH is supported, by ``/ServiceProviderConfig``."""
    etag: bool | None = None
    """Whether ETags are supported, by ``/ServiceProviderConfig``."""
    manager_by_external_id: bool | None = None
    """Whether ``/Schemas`` lists ``managerId`` instead of ``value`` below the manager."""
    unique_user_names: bool | None = None
    """Whether ``/Schemas`` says that user names are unique on the server."""
    schema: str | None = None
    """Hash of the user schemas in ``/Schemas``; it changes when the server's fields change."""


@dataclass(slots=True)
class ServerMemory:
    """What was learnt about one server. All settlements with this server share and change it."""

    description: ServerDescription = field(default_factory=ServerDescription)
    """What the server says about itself."""
    host: str = ""
    """The host of the server's address."""
    prefers_put: bool = False
    """Whether the connection's settings ask for PUT first."""
    uses_etags: bool = True
    """Whether writes are conditional. False once a condition failed although nothing had changed."""
    manager_by_external_id: bool = False
    """Whether the manager is named by the external id of the manager's account (``managerId``)."""
    has_written: bool = False
    """Whether the key has ever written an account."""
    core_schema: str | None = None
    """The URN of the core schema with which an account was created last; None before the first."""
    preferred: Way | None = None
    """The way that stored a change last; None before the first."""
    unusable: set[Way] = field(default_factory=set)
    """Ways that the server does not support at all."""
    proven: dict[Way, set[Change]] = field(default_factory=dict)
    """The changes that a lookup confirmed after a write in each way."""
    failed: set[tuple[Way, Change]] = field(default_factory=set)
    """Pairs of way and change that did not work, while the same change worked in another way."""
    doubted: set[Change] = field(default_factory=set)
    """Changes that failed in every way. They are written alone, in one way, until one of them is confirmed."""
    joins_fields: bool = True
    """Whether one request may write several fields. False once such requests failed and each field alone was stored."""
    not_stored: set[str] = field(default_factory=set)
    """SCIM paths of fields that the server accepted and did not store in any way, for several accounts."""
    ignored: dict[str, AccountId] = field(default_factory=dict)
    """The account for which the server has done so first, by SCIM path: it may be a peculiar one."""

    def copy(self) -> "ServerMemory":
        """Returns a copy that learns for itself."""
        return deepcopy(self)

    def describe(self, description: ServerDescription) -> None:
        """Stores what the server says about itself. What did not work before may be tried again."""
        self.description = description
        self.not_stored.clear()
        self.ignored.clear()
        self.doubted.clear()
        self.unusable.clear()
        self.joins_fields = True
        if description.etag is False:
            self.uses_etags = False
        if description.manager_by_external_id is not None:
            self.manager_by_external_id = description.manager_by_external_id

    def list_ways(self, changes: Sequence[Change]) -> tuple[Way, ...]:
        """Returns the usable ways to write these changes with one request, the most promising first."""
        order = [Way.PATHS, Way.WHOLE, Way.PATHLESS, Way.PAGE, Way.PUT, Way.PUT_WITH_ID, Way.PUT_COLLECTION]
        if self.host.endswith(VENDOR_HOSTS) or self.description.manager_by_external_id:
            order = [Way.PATHS, Way.PAGE, Way.PUT, Way.PUT_COLLECTION, Way.WHOLE, Way.PATHLESS, Way.PUT_WITH_ID]
        if self.prefers_put or self.description.patch is False:
            order.sort(key=lambda way: way.is_patch)
        order.sort(
            key=lambda way: (
                self._has_failed(way, changes),
                not self.is_proven(way, changes),
                way is not self.preferred,
            )
        )
        return tuple(way for way in order if way not in self.unusable)

    def group(self, changes: Sequence[Change]) -> list[tuple[Change, ...]]:
        """Returns which changes to write with one request: all, unless some of them need a way in which others fail.

        Changes that failed in every way before are written alone, after the others.
        """
        sound = [change for change in changes if change not in self.doubted]
        alone: list[tuple[Change, ...]] = [(change,) for change in changes if change in self.doubted]
        if not sound:
            return alone
        if not self.joins_fields:
            return [*((change,) for change in sound), *alone]
        if not any(self._has_failed(way, sound) for way in self.list_ways(sound)[:1]):
            return [tuple(sound), *alone]
        groups: dict[Way, list[Change]] = {}
        for change in sound:
            groups.setdefault(self.list_ways([change])[0], []).append(change)
        return [*map(tuple, groups.values()), *alone]

    def learn_way(self, way: Way, changes: Sequence[Change]) -> None:
        """Notes that a lookup confirmed these changes after a write in this way."""
        if not changes:
            return
        pairs = {(way, change) for change in changes}
        self.proven.setdefault(way, set()).update(changes)
        self.failed -= pairs
        self.doubted.difference_update(changes)
        for change in changes:
            self.ignored.pop(change.path, None)
            self.not_stored.discard(change.path)
        if self.preferred is None or self.preferred in self.unusable:
            self.preferred = way

    def learn_ignored(self, path: str, account: AccountId) -> None:
        """Notes that a field of an account was accepted and not stored in any way.

        A second account shows that the server stores it for none, unless it has stored it for another one before. No employee is
        incomplete without an optional field, so one account is enough for that.
        """
        is_stored = any(change.path == path for proven in self.proven.values() for change in proven)
        is_second = path in OPTIONAL or self.ignored.setdefault(path, account) != account
        if not is_stored and is_second:
            self.not_stored.add(path)

    def learn_failures(self, failures: Sequence[Failure], stored: frozenset[str]) -> None:
        """Notes which ways failed for changes that another way has made. ``stored`` are the paths that are right now.

        Of several changes in one request, those that the way has made before did not cause the failure.
        """
        for way, changes, _ in failures:
            pairs = {(way, change) for change in changes if change.path in stored and self._works_without(way, change)}
            self.failed |= pairs if len(changes) == 1 else {pair for pair in pairs if not self.is_proven(way, pair[1:])}
        for way, changes, code in failures:
            is_same_again = self.group(changes) == [changes] and self.list_ways(changes)[0] is way
            if (
                len(changes) > 1
                and code.startswith("4")
                and is_same_again
                and stored.issuperset(c.path for c in changes)
            ):
                self.joins_fields = False

    def _works_without(self, way: Way, change: Change) -> bool:
        return any(change in proven for other, proven in self.proven.items() if other is not way)

    def reject_method(self, way: Way) -> None:
        """Notes that the server does not support the HTTP method of this way: every PATCH, or this kind of PUT.

        A way that has worked before stays usable, because a route may be missing for a while.
        """
        rejected = {other for other in Way if other is way or (way.is_patch and other.is_patch)}
        self.unusable |= rejected - self.proven.keys()

    def forget_way(self, way: Way) -> None:
        """Notes that a way no longer makes a change that it made before. None of its changes counts as proven from now on."""
        self.proven.pop(way, None)

    def is_proven(self, way: Way, changes: Sequence[Change]) -> bool:
        """Returns whether a lookup has confirmed each of these changes after a write in this way."""
        return self.proven.get(way, frozenset()).issuperset(changes)

    def _has_failed(self, way: Way, changes: Sequence[Change]) -> bool:
        return bool(self.failed) and any((way, change) in self.failed for change in changes)
