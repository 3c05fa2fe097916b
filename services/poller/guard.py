"""Decides whether the changes of one run are unusual. Pure.

A wrong credential, an emptied attribute or a swapped column changes many employees at once. A few changes are never unusual.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

from services.contracts.connections import Guard
from services.contracts.observations import Group, GroupCount, GroupKind, Observation
from services.contracts.runs import RunCounts

_KINDS = {
    GroupKind.LEFT: "have become inactive",
    GroupKind.REACTIVATED: "are active again",
    GroupKind.ABSENT: "are no longer listed",
    GroupKind.REMOVED: "were deleted",
    GroupKind.EMAIL_CHANGED: "have another e-mail address",
    GroupKind.NAME_CHANGED: "have another name",
    GroupKind.EMPTIED: "no longer have a value for",
    GroupKind.CHANGED: "have another value for",
}
"""What has changed for employees that were known before, by kind."""
_OTHER_COMPANY = frozenset({GroupKind.ABSENT, GroupKind.NAME_CHANGED, GroupKind.EMAIL_CHANGED})
"""Groups that contain most employees if the credential belongs to another company."""
_REPLACE_CREDENTIAL = (
    "If it does, store the right one with `connections secrets --personio`: the next poll then replaces this run. "
    "If the changes are right, use `runs release`"
)
"""What to do if the credential may be wrong."""
MOST = 0.5
"""Share of the employees above which a group has most of them."""


class Census:
    """The numbers of employees in the groups of one run."""

    def __init__(self) -> None:
        self._people: Counter[Group] = Counter()
        self._sum = 0

    def add(self, observations: Iterable[Observation]) -> None:
        """Counts observations."""
        for observation in observations:
            self._people.update(observation.groups)
            self._sum = (self._sum + _hash(observation)) % _MODULUS

    @property
    def digest(self) -> str:
        """Fingerprint of the changes in any order, without their times: another run with the same changes has the same."""
        return f"{self._sum:064x}"

    @property
    def largest(self) -> int:
        """Number of employees in the largest group."""
        return max(self._people.values(), default=0)

    def find_unusual(self, guard: Guard, of: int) -> tuple[GroupCount, ...]:
        """Returns the groups above both thresholds, the largest first. ``of`` is the number of employees to compare with."""
        if not guard.is_on:
            return ()
        # those that were deleted were absent before, and are not among the others
        counts = (
            GroupCount(group=group, people=people, of=of + people if group.kind is GroupKind.REMOVED else of)
            for group, people in self._people.most_common()
        )
        return tuple(count for count in counts if count.people > guard.people and count.people > guard.share * count.of)


_MODULUS = 1 << 256


def _hash(observation: Observation) -> int:
    """Returns a number for what has changed for an employee. A sum of such numbers depends on no order."""
    snapshot = observation.snapshot
    content = f"{snapshot.content_hash} {snapshot.phase} {snapshot.next_day}" if snapshot else "absent"
    text = f"{observation.employee_id} {observation.replaces} {content}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def explain(unusual: Iterable[GroupCount]) -> str:
    """Returns why a run is held and what to do, as text for an administrator. Contains no personal data."""
    counts = tuple(unusual)
    lines = "; ".join(_describe(count) for count in counts)
    return f"unusual changes are held: {lines}. {_advise(counts)}"


def _describe(count: GroupCount) -> str:
    if count.group.kind is GroupKind.NEW:  # they are not among the employees that were known before
        return f"{count.people} employees are new, beside {count.of} known ones"
    attribute = f" {count.group.attribute}" if count.group.attribute else ""
    return f"{count.people} of {count.of} employees {_KINDS[count.group.kind]}{attribute}"


def _advise(counts: tuple[GroupCount, ...]) -> str:
    most = {count.group.kind for count in counts if count.people > MOST * count.of}
    if most & _OTHER_COMPANY and GroupKind.NEW in {count.group.kind for count in counts}:
        return f"The credential may belong to another company. {_REPLACE_CREDENTIAL}"
    if GroupKind.NAME_CHANGED in most and GroupKind.EMAIL_CHANGED in most:
        return f"The credential may belong to another company with the same employee ids. {_REPLACE_CREDENTIAL}"
    if any(count.group.kind is GroupKind.EMPTIED for count in counts):
        return (
            "An attribute was emptied for many employees: check it in Personio, then use `runs release` or `runs reject`. "
            "To keep the values in Declaree, remove the rule of the attribute first"
        )
    return "Check the changes in Personio, then use `runs release` or `runs reject`"


def find_base(known: int, counts: RunCounts, gone: int) -> int:
    """Returns the number of employees with which the groups of a full scan are compared.

    It is the number of ``known`` employees before the run. A scan that ended early has seen fewer of them, and its changes
    are compared with those. Those that were ``gone`` before, inactive or no longer listed, do not count: leavers grow more
    numerous each year, and the changes of all others would be few of them.
    """
    return max(0, min(known, counts.seen + counts.absent) - gone)
