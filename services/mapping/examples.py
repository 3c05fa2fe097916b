"""Checks pinned examples of a mapping with the engine of the mapper. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.employees import EmploymentPhase
from services.contracts.events import AccountRequested, ChangeKind, EmployeeChanged
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import MappingDocument, PublishedMapping
from services.contracts.targets import identify_field
from services.contracts.values import Value
from services.mapping.engine import Engine

_AT = datetime(2000, 1, 1, tzinfo=UTC)
_CONNECTION, _EMPLOYEE = ConnectionId("example"), EmployeeId("1")


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """What differs in one example."""

    example: str
    """Name of the example."""
    place: str
    """``intent``, ``user_name``, ``manager``, ``rejected_field``, or the path of a field."""
    expected: Value
    """What the example says."""
    actual: Value
    """What the mapping gives; None for nothing."""
    reason: str | None = None
    """Why the mapping rejects the employee; None if it does not."""

    @property
    def kinds(self) -> str:
        """The kinds of both values. The values themselves can be personal data."""
        if self.place == "intent":
            return f"{self.actual} instead of {self.expected}"
        expected, actual = _name_kind(self.expected), _name_kind(self.actual)
        return f"another {actual}" if actual == expected else f"{actual} instead of {expected}"


def _name_kind(value: Value) -> str:
    match value:
        case None:
            return "no value"
        case bool():
            return "boolean"
        case str():
            return "text"
        case tuple():
            return "list"
        case _:
            return "number"


def find_failures(mapping: MappingDocument, examples: Iterable[MappingExample]) -> tuple[ExampleFailure, ...]:
    """Returns what the mapping gives otherwise than the examples say, in their order; nothing if they all hold."""
    engine = _compile(mapping)
    return tuple(failure for example in examples for failure in _check(engine, example))


def build_example(
    mapping: MappingDocument, name: str, attributes: Mapping[str, Value], phase: EmploymentPhase
) -> tuple[MappingExample, str | None]:
    """Returns an example that holds: the attributes, and all that the mapping makes of them.

    The second value is the reason of a rejection; None without one.
    """
    example = MappingExample(name=name, attributes=dict(attributes), phase=phase, expected=ExpectedAccount())
    request = _compile(mapping).map(_build_event(example))
    desired = request.desired
    expected = ExpectedAccount(
        intent=request.intent,
        user_name=desired.user_name if desired else None,
        fields=desired.fields if desired else {},
        manager=desired.manager.employee_id if desired and desired.manager else None,
        rejected_field=request.field,
    )
    return example.model_copy(update={"expected": expected}), request.reason


def _compile(mapping: MappingDocument) -> Engine:
    return Engine(PublishedMapping(connection_id=_CONNECTION, version=1, mapping=mapping, published_at=_AT))


def _check(engine: Engine, example: MappingExample) -> Iterator[ExampleFailure]:
    request, expected = engine.map(_build_event(example)), example.expected
    if request.intent is not expected.intent:
        yield ExampleFailure(example.name, "intent", expected.intent.value, request.intent.value, request.reason)
        return
    for place, wanted, actual in _compare(request, expected):
        if json.dumps(wanted) != json.dumps(actual):  # in Python, true and 1 are equal
            yield ExampleFailure(example.name, place, wanted, actual, request.reason)


def _compare(request: AccountRequested, expected: ExpectedAccount) -> Iterator[tuple[str, Value, Value]]:
    """Yields each place that the example names, with the expected and the actual value."""
    desired = request.desired
    if expected.rejected_field is not None:
        yield "rejected_field", expected.rejected_field, request.field
    if expected.user_name is not None:
        yield "user_name", expected.user_name, desired.user_name if desired else None
    if expected.manager is not None:
        yield "manager", expected.manager, desired.manager.employee_id if desired and desired.manager else None
    written = {identify_field(path): value for path, value in desired.fields.items()} if desired else {}
    for path, value in expected.fields.items():
        yield path, value, written.get(identify_field(path))
    for path, value in expected.fields.items():
        if value is None and identify_field(path) not in written:
            yield path, "cleared", "left as it is"


def _build_event(example: MappingExample) -> EmployeeChanged:
    return EmployeeChanged(
        connection_id=_CONNECTION,
        employee_id=_EMPLOYEE,
        revision=1,
        detected_at=_AT,
        kind=ChangeKind.CHANGED,
        phase=example.phase,
        attributes=example.attributes,
    )
