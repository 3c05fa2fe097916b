"""The mapping engine alone with 100 rules, with and without expressions, beside a bare loop that makes the same requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.events import AccountRequested, ChangeKind, DesiredAccount, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import AttributeSource, ExpressionSource, MappingDocument, PublishedMapping, Rule
from services.contracts.outcomes import Intent
from services.contracts.transforms import Lower, Transform, Trim
from services.contracts.values import Value
from services.mapping.engine import Engine

RULES, EXPRESSIONS = 100, 20
"""Number of rules, and of those with an expression in the second mapping."""
SECONDS, ROUNDS = 0.5, 5
"""Processor time of one measurement, and number of measurements: the fastest counts, because others share the machine."""
FASTEST_PLAIN, FASTEST_COMPUTED = 8_000, 3_000
"""Targets: employees a second and core, without and with expressions, on a machine with ``USUAL_BARE``."""
USUAL_BARE = 9_500
"""Requests of the bare loop a second and core, on the machine of the targets. On a slower one, less is expected of the engine, too."""

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_TRANSFORMS: tuple[tuple[Transform, ...], ...] = ((Trim(),), (Lower(),), ())


@dataclass(frozen=True, slots=True)
class Rates:
    """Employees a second and core."""

    plain: float
    """The engine with 100 rules without expressions."""
    computed: float
    """The engine with 100 rules, 20 of them with an expression."""
    bare: float
    """A loop that trims and lowers the same values and makes the same requests."""


def measure_rates() -> Rates:
    """Measures the engine and the bare loop in turn."""
    plain, computed = Engine(_publish(0)), Engine(_publish(EXPRESSIONS))
    event = _build_event()
    works: tuple[Callable[[], object], ...] = (
        lambda: plain.map(event),
        lambda: computed.map(event),
        lambda: _map_bare(event),
    )
    best = [0.0] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            best[number] = max(best[number], _count(work))
    return Rates(*best)


def format_rates(rates: Rates) -> str:
    """Returns a table in Markdown."""
    lines = [
        f"| mapping of {RULES} rules | employees a second and core | of the bare loop |",
        "|---|---:|---:|",
        f"| without expressions | {rates.plain:,.0f} | {rates.plain / rates.bare:.2f} |",
        f"| {EXPRESSIONS} of them with an expression | {rates.computed:,.0f} | {rates.computed / rates.bare:.2f} |",
        f"| bare loop | {rates.bare:,.0f} | 1 |",
    ]
    return "\n".join(lines)


def find_slow_rates(rates: Rates) -> list[str]:
    """Returns a line for each missed target."""
    targets = {
        "without expressions": (rates.plain, FASTEST_PLAIN),
        "with expressions": (rates.computed, FASTEST_COMPUTED),
    }
    return [
        f"a mapping of {RULES} rules {name}: {rate / rates.bare:.2f} of the bare loop instead of {target / USUAL_BARE:.2f}"
        for name, (rate, target) in targets.items()
        if rate / rates.bare < target / USUAL_BARE
    ]


def _count(work: Callable[[], object]) -> float:
    """Returns how often the work is done in a second of the processor."""
    done, began = 0, time.process_time()
    while (passed := time.process_time() - began) < SECONDS:
        work()
        done += 1
    return done / passed


def _publish(expressions: int) -> PublishedMapping:
    rules = tuple(_build_rule(number, is_computed=number < expressions) for number in range(RULES))
    mapping = MappingDocument(rules=rules)
    return PublishedMapping(connection_id=ConnectionId("c"), version=1, mapping=mapping, published_at=_AT)


def _build_rule(number: int, *, is_computed: bool) -> Rule:
    key = _name(number)
    expression = ExpressionSource(expression=f'{key} == "" ? "none" : {key} + " x"')
    return Rule(
        target=f"urn:example:2.0:User:field{number}",
        source=expression if is_computed else AttributeSource(attribute=key),
        transforms=_TRANSFORMS[number % len(_TRANSFORMS)],
    )


def _name(number: int) -> str:
    return f"dynamic_{number}"


def _build_event() -> EmployeeChanged:
    attributes: dict[str, Value] = {_name(number): f"Value {number}" for number in range(RULES)}
    return EmployeeChanged(
        connection_id=ConnectionId("c"),
        employee_id=EmployeeId("1"),
        revision=1,
        detected_at=_AT,
        kind=ChangeKind.CHANGED,
        attributes={**attributes, "status": "active", "email": "ada@nord.example"},
    )


def _map_bare(event: EmployeeChanged) -> AccountRequested:
    fields: dict[str, Value] = {}
    for number in range(RULES):
        value = event.attributes[_name(number)]
        if isinstance(value, str):
            value = value.strip() if number % 3 == 0 else value.lower() if number % 3 == 1 else value
        fields[f"urn:example:2.0:User:field{number}"] = value
    return AccountRequested(
        connection_id=event.connection_id,
        employee_id=event.employee_id,
        revision=event.revision,
        detected_at=event.detected_at,
        mapping_version=1,
        intent=Intent.PROVISION,
        desired=DesiredAccount(external_id=event.employee_id, user_name=str(event.attributes["email"]), fields=fields),
    )
