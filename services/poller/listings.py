"""Recognises employees that Personio lists as it did when they were compared last, so that they are not read again. Pure."""

import hashlib
import json
from collections.abc import Set as AbstractSet
from datetime import date
from zoneinfo import ZoneInfo

from services.contracts.employees import Employee, ListedEmployee, get_parent
from services.contracts.polls import ScanBasis
from services.contracts.snapshots import UNKNOWN_LISTING, Listing, SnapshotState
from services.runtime.version import VERSION


class Recogniser:
    """Recognises the employees of one scan.

    A digest that was noted under other conditions is never recognised: with other attributes or rules, another credential or time
    zone, or by another released version of the product, which may read the same bytes differently.
    """

    def __init__(self, basis: ScanBasis, zone: ZoneInfo, today: date, version: str = VERSION) -> None:
        """``basis`` is what the scan compares, ``today`` is the day in the company's time zone ``zone``."""
        conditions = json.dumps([version, str(zone), basis.model_dump(mode="json")])
        # 64 bits are enough: the conditions are not chosen by an attacker
        self._prefix = hashlib.sha256(conditions.encode()).hexdigest()[:16] + ":"
        self._today = today

    def recognises(self, state: SnapshotState, listed: ListedEmployee) -> bool:
        """Returns True if reading and comparing the employee would certainly find no change."""
        if listed.digest is None or state.listing.digest != self._prefix + listed.digest:
            return False
        return state.next_day is None or self._today < state.next_day

    def build_listing(self, listed: ListedEmployee, unfilled: tuple[str, ...]) -> Listing:
        """Returns how Personio lists an employee. ``unfilled`` are the keys that ``find_unfilled`` returns."""
        return UNKNOWN_LISTING if listed.digest is None else Listing(self._prefix + listed.digest, unfilled)


def find_unfilled(employee: Employee, requested: AbstractSet[str]) -> tuple[str, ...]:
    """Returns the keys of the requested attributes that the employee has no value of, in order."""
    filled = {get_parent(key) for key, value in employee.attributes.items() if value is not None}
    return tuple(sorted(requested - filled))
