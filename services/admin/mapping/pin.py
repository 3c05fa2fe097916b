"""Pins a previewed employee as an example of a mapping: the attributes of the preview, and what the mapping makes of them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from services.admin.preview.results import PersonPreview
from services.contracts.employees import STATUS
from services.contracts.examples import PinnedExample
from services.contracts.ids import ConnectionId
from services.contracts.mappings import SUPERVISOR, MappingDocument
from services.contracts.outcomes import Intent
from services.contracts.values import Scalar, Value
from services.errors import ConnectorError, PermanentError
from services.mapping.examples import build_example
from services.runtime.clock import Clock
from services.store.database import Store

COMMON = 5
"""Number of employees with the same value from which on it is not personal, so that a made-up example keeps it."""
NAMES: Mapping[str, Value] = {"first_name": "Ada", "last_name": "Muster"}
"""Made-up names."""
ADDRESS = "ada.muster@example.com"
"""Made-up e-mail address."""
TEXT, DAY, DIGIT = "Example", "2020-01-15", "1"
"""Made-up text, date and digit."""
IBAN, PHONE = "DE89 3704 0044 0532 0130 00", "+49 30 901820"
"""Made-up account number and telephone number. Both are valid, so that rules for them give a value."""
KINDS = (
    (re.compile(r"\d{4}-\d\d-\d\d.*", re.DOTALL), DAY),
    (re.compile(r"[A-Z]{2}\d\d[A-Z0-9 ]{11,40}"), IBAN),
    (re.compile(r"(?=.*[+ ()/.-])[+(]?\d[\d ()/.-]{5,40}"), PHONE),
)
"""How a text of a kind is written, and the made-up one. A telephone number has a sign or a space among its digits."""


class ForgottenEmployeeError(PermanentError):
    """An example is about an employee that was forgotten."""

    code: ClassVar[str] = "forgotten-employee"


@dataclass(frozen=True, slots=True)
class PinResult:
    """What became of a pinned example."""

    pinned: PinnedExample
    """The example."""
    is_replaced: bool
    """Whether it has replaced another one with the same name."""
    real_intent: Intent
    """What the mapping makes of the real data: with made-up values, it can be something else."""
    reason: str | None
    """Why the mapping rejects the data of the example; None if it does not."""


async def pin_preview(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    mapping: MappingDocument,
    preview: PersonPreview,
    *,
    name: str,
    by: str,
    is_made_up: bool,
) -> PinResult:
    """Stores what the previewed mapping makes of the employee, in place of an example with the same name.

    With ``is_made_up``, names, e-mail addresses, the supervisor, and each value that fewer than ``COMMON`` stored employees have
    are made up, except for the status. Without stored employees, these are all values. The example says what the mapping makes of
    the made-up values, also if that is a rejection. Raises ``UnknownConnectionError``, ``ExampleLimitError``, and
    ``ForgottenEmployeeError`` if the example is about an employee that was forgotten, also in the meantime.
    """
    await store.connections.ensure_exists(connection)
    attributes = dict(preview.attributes)
    if is_made_up:
        attributes = make_up(attributes, await _count_equal(store, connection, attributes), mapping.user_name_attribute)
    example, reason = build_example(mapping, name, attributes, preview.phase)
    pinned = PinnedExample(
        connection_id=connection,
        employee_id=preview.employee,
        is_made_up=is_made_up,
        pinned_at=clock.now(),
        pinned_by=by,
        example=example,
    )
    await _ensure_remembered(store, pinned)
    is_replaced = await store.examples.save(pinned)
    try:
        await _ensure_remembered(store, pinned)
    except ConnectorError:
        await store.examples.remove(connection, name)
        raise
    return PinResult(pinned, is_replaced, preview.intent, reason)


async def _ensure_remembered(store: Store, pinned: PinnedExample) -> None:
    """Raises ``ForgottenEmployeeError`` for an employee that was forgotten, alone or with the connection, and not stored again.

    Snapshots are erased before examples: as long as there is one, an example that is stored now is still erased.
    """
    forgotten = await store.forgotten.find(pinned.people)
    stored = await store.snapshots.read(pinned.connection_id, [person.employee_id for person in forgotten])
    missing = sorted(person.employee_id for person in forgotten if person.employee_id not in stored)
    if missing:
        raise ForgottenEmployeeError(
            f"employee {missing[0]} was forgotten, and no example of such an employee is stored: wait for the next poll if "
            "Personio lists the employee, or pin another one"
        )


def make_up(attributes: Mapping[str, Value], numbers: Mapping[str, int], address_key: str) -> dict[str, Value]:
    """Returns the attributes without personal values. ``numbers`` has the number of employees with the same value by key."""
    made_up: dict[str, Value] = {}
    for key, value in attributes.items():
        part = key.rpartition(".")[2]  # a supervisor has names and an address, too
        if value is None or value == "":  # what is missing is not personal, and decides what the mapping gives
            made_up[key] = value
        elif part in NAMES:
            made_up[key] = NAMES[part]
        elif part == "email" or key == address_key:
            made_up[key] = ADDRESS
        elif key == SUPERVISOR:
            made_up[key] = 1
        elif key == STATUS or (numbers.get(key, 0) >= COMMON and not _has_address(value)):
            made_up[key] = value
        else:
            made_up[key] = tuple(map(_replace, value)) if isinstance(value, tuple) else _replace(value)
    return made_up


def _has_address(value: Value) -> bool:
    """Whether a text, or one of a list, is or contains an e-mail address: it is personal, however many employees have it."""
    return any(isinstance(entry, str) and "@" in entry for entry in (value if isinstance(value, tuple) else (value,)))


def _replace(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _replace_text(value)
    if value is None:
        return None
    return False if isinstance(value, bool) else 1


def _replace_text(value: str) -> str:
    """Returns a made-up text of the same kind. Of digits, the number stays. An empty text stays."""
    if not value or value.isdecimal():
        return DIGIT * len(value)
    if "@" in value:
        return ADDRESS
    return next((made_up for pattern, made_up in KINDS if pattern.fullmatch(value)), TEXT)


async def _count_equal(store: Store, connection: ConnectionId, attributes: Mapping[str, Value]) -> Counter[str]:
    """Returns how many employees have the same value, by key. Reads all snapshots of the connection, page by page."""
    numbers: Counter[str] = Counter()
    async for page in store.snapshots.stream(connection):
        for snapshot in page:
            theirs = snapshot.attributes
            numbers.update(key for key, value in attributes.items() if key in theirs and theirs[key] == value)
    return numbers
