"""Recognises employees that Personio lists as it did when they were compared last, so that they are not read again. Pure."""

import json
from collections.abc import Set as AbstractSet
from datetime import date
from hashlib import sha256
from zoneinfo import ZoneInfo

from services.contracts.employees import Employee, ListedEmployee, get_parent
from services.contracts.polls import ScanBasis
from services.contracts.snapshots import UNKNOWN_LISTING, Listing, Snapshot, SnapshotState

READING = 1
"""Number of the way in which employees are read and compared. Another number has all employees read once more."""


class Recogniser:
    """Recognises the employees of one scan.

    The digest of a snapshot covers what Personio has sent, what the snapshot has, and the conditions of the comparison: the attributes,
    the rules, the credential, the time zone, and ``READING``. With another one of them, the employee is read.
    """

    def __init__(self, basis: ScanBasis, zone: ZoneInfo, today: date, reading: int = READING) -> None:
        """``basis`` is what the scan compares, ``today`` is the day in the company's time zone ``zone``."""
        conditions = json.dumps([reading, str(zone), basis.model_dump(mode="json")])
        self._conditions = sha256(conditions.encode()).hexdigest()
        self._today = today
        self._day = today.isoformat()

    def recognises(self, state: SnapshotState, listed: ListedEmployee) -> bool:
        """Returns True if reading and comparing the employee would certainly find no change.

        An employee that was compared on a later day, by a wrong clock, is read: the phase of the employment may be another one.
        """
        if listed.digest is None or state.listing.digest is None:
            return False
        noted, _, day = state.listing.digest.rpartition("@")
        if day > self._day or (state.next_day is not None and state.next_day <= self._today):
            return False
        return noted == self._hash(listed.digest, state, state.listing.unfilled)

    def build_listing(
        self, listed: ListedEmployee, state: SnapshotState | Snapshot, unfilled: tuple[str, ...]
    ) -> Listing:
        """Returns how Personio lists an employee with this state. ``unfilled`` are the keys that ``find_unfilled`` returns."""
        if listed.digest is None:
            return UNKNOWN_LISTING
        return Listing(f"{self._hash(listed.digest, state, unfilled)}@{self._day}", unfilled)

    def _hash(self, digest: str, state: SnapshotState | Snapshot, unfilled: tuple[str, ...]) -> str:
        content = f"{state.content_hash} {state.phase} {state.next_day} {state.status} {unfilled}"
        return sha256(f"{self._conditions} {digest} {content}".encode(errors="replace")).hexdigest()


def find_unfilled(employee: Employee, requested: AbstractSet[str]) -> tuple[str, ...]:
    """Returns the keys of the requested attributes that the employee has no value of, in order."""
    filled = {get_parent(key) for key, value in employee.attributes.items() if value is not None}
    return tuple(sorted(requested - filled))
