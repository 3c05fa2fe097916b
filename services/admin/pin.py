"""Pins an employee as an example of a mapping: the stored attributes, and what the mapping makes of them now."""

import re
from collections import Counter
from collections.abc import Mapping

from services.admin.mappings import get_draft, get_published
from services.admin.tasks import build_unknown_employee
from services.contracts.employees import STATUS
from services.contracts.events import EmployeeChanged
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import PublishedMapping
from services.contracts.values import Scalar, Value
from services.mapping.engine import Engine
from services.store.database import Store

COMMON = 5
"""Number of employees with the same value from which on it is not personal, so that a made-up example keeps it."""
NAMES: Mapping[str, Value] = {"first_name": "Ada", "last_name": "Muster"}
"""Made-up names."""
ADDRESS = "ada.muster@example.com"
"""Made-up e-mail address."""
TEXT, DAY = "Example", "2020-01-15"
"""Made-up text, and made-up date."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


async def pin_employee(
    store: Store,
    connection: ConnectionId,
    employee: EmployeeId,
    *,
    name: str,
    is_made_up: bool,
    uses_draft: bool,
) -> MappingExample:
    """Returns an example: the attributes as the last poll stored them, and what the published mapping makes of them, or the draft.

    With ``is_made_up``, names, e-mail address, and each value that fewer than ``COMMON`` employees have are made up, except for
    the status. Raises ``UnknownConnectionError``, ``UnknownEmployeesError``, ``NoSuchVersionError``, ``InvalidMappingError`` and
    ``StoreFailedError``.
    """
    published = await get_published(store, connection)
    if uses_draft:
        draft = await get_draft(store, connection)
        published = published.model_copy(update={"mapping": draft.mapping})
    snapshot = (await store.snapshots.read(connection, [employee])).get(employee)
    if snapshot is None:
        raise build_unknown_employee(connection, employee)
    event = snapshot.to_event()
    if is_made_up:
        common = await _count_equal(store, connection, event.attributes)
        attributes = make_up(event.attributes, common, published.mapping.user_name_attribute)
        event = event.model_copy(update={"attributes": attributes})
    return build_example(published, event, name)


def build_example(published: PublishedMapping, event: EmployeeChanged, name: str) -> MappingExample:
    """Returns the example of an event with what the mapping makes of it."""
    request = Engine(published).map(event)
    desired = request.desired
    expected = ExpectedAccount(
        intent=request.intent,
        user_name=desired.user_name if desired else None,
        fields=desired.fields if desired else {},
        manager=desired.manager.employee_id if desired and desired.manager else None,
        rejected_field=request.field,
    )
    return MappingExample(name=name, attributes=event.attributes, phase=event.phase, expected=expected)


def make_up(attributes: Mapping[str, Value], numbers: Mapping[str, int], address_key: str) -> dict[str, Value]:
    """Returns the attributes without personal values. ``numbers`` has the number of employees with the same value by key."""
    made_up: dict[str, Value] = {}
    for key, value in attributes.items():
        part = key.rpartition(".")[2]  # a supervisor has names and an address, too
        if part in NAMES:
            made_up[key] = NAMES[part]
        elif part == "email" or key == address_key or (isinstance(value, str) and "@" in value):
            made_up[key] = ADDRESS
        elif key == STATUS or numbers.get(key, 0) >= COMMON:
            made_up[key] = value
        else:
            made_up[key] = tuple(map(_replace, value)) if isinstance(value, tuple) else _replace(value)
    return made_up


def _replace(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return DAY if _DATE.match(value) else TEXT if value else value
    if value is None:
        return None
    return False if isinstance(value, bool) else 1


async def _count_equal(store: Store, connection: ConnectionId, attributes: Mapping[str, Value]) -> Counter[str]:
    """Returns how many employees have the same value, by key. Reads all snapshots of the connection, page by page."""
    numbers: Counter[str] = Counter()
    async for page in store.snapshots.stream(connection):
        for snapshot in page:
            theirs = snapshot.attributes
            numbers.update(key for key, value in attributes.items() if key in theirs and theirs[key] == value)
    return numbers
