"""Generates ``docs/mappings.md``: the mapping document, with examples that the engine evaluates."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from docs.generators.markdown import build_page, build_table, format_block, format_code, format_docstring
from services.admin.mappings import format_document
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import (
    ENTERPRISE,
    LIFE_CYCLE,
    MANAGER,
    WORK_EMAIL,
    AttributeSource,
    ConstantSource,
    MappingDocument,
    PublishedMapping,
    Rule,
    default_mapping,
)
from services.contracts.outcomes import Intent
from services.contracts.targets import NOT_MAPPABLE
from services.contracts.transforms import DateFormat, Default, Lower, Transform, Trim, ValueTable
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.transforms import UnfitValueError, compile_transform

INTRODUCTION = """\
A mapping says which Personio attribute goes into which field of the Declaree account. Each connection has its own mapping,
numbered by version. A new connection starts with the first mapping below.

    personio-declaree mapping attributes ID
    personio-declaree mapping export ID > mapping.json
    personio-declaree mapping import ID mapping.json

If a document is invalid, the import prints the location and the reason, and changes nothing. A valid document becomes the
next version. If it reads further attributes, all employees are polled first. All employees are then resent, and only real
differences are written. To go back, import the older document."""

WANTED = """\
The product asks Personio only for the *wanted attributes*: first name, last name, e-mail, status, the hire date, and what the
published mapping reads. Nothing else is stored or sent. If a new version no longer reads an attribute, the next poll removes its values.

The value of an attribute can be unknown: the credential does not release it, its value is too large, or the mapping reads it
only since the last poll. The field then stays as it is, and no transform applies. With `on_missing: reject` the employee is
rejected. An empty value is known: `on_missing` decides about the field."""

KEYS = """\
A rule names an attribute by Personio's key. `mapping attributes ID` lists the keys of all attributes that the credential can
read, with their names in Personio. Examples are `first_name` and `position`. The key of a company's own attribute is `dynamic_`
and a number, such as `dynamic_1001`. A part of a nested attribute has a key of its own, such as `office.name`,
`cost_centers.percentage` (a list) or `supervisor.id`."""

TARGETS = """\
Targets are SCIM paths (RFC 7643, RFC 7644 section 3.10). Examples of the core schema are `title`, `preferredLanguage` and
`phoneNumbers[type eq "mobile"].value`. A field of an extension is written as its URN, a colon and the attribute.
`mapping fields ID` lists the targets that Declaree documents, and those that it lists under `/Schemas` of its SCIM address, also of
its own extension. `connections check ID` names the targets that are on neither list, and the values that do not fit. If Declaree's
answer to a write does not contain a field, `people show` names this field: Declaree may not store it."""

MANAGERS = """\
The manager ("Submits to" in Declaree) has a target of its own. Its value is the Personio id of the manager. The writer replaces
it by the id of the manager's account, as soon as that account exists."""

EMPTY_VALUES = """\
A value is empty if it is null, an empty string or an empty list. Every transform except `default` leaves an empty value
unchanged. Each value of a list is transformed separately."""

EXAMPLES: tuple[tuple[Transform, Value], ...] = (
    (Trim(), "  Berlin "),
    (Lower(), "DE"),
    (Default(value="Berlin"), None),
    (DateFormat(format="%d.%m.%Y"), "2026-03-01"),
    (ValueTable(table={"Deutsch": "de", "Englisch": "en"}), "Deutsch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="keep"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="missing"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="reject"), "Niederländisch"),
)
"""Each transform, with a value that shows its effect."""

LARGER = MappingDocument(
    external_id_prefix="nord-",
    life_cycle={"onboarding": Intent.PROVISION},
    rules=(
        *default_mapping().rules,
        Rule(
            target="preferredLanguage",
            source=AttributeSource(attribute="dynamic_1001"),
            transforms=(
                ValueTable(table={"Deutsch": "de", "Englisch": "en"}, otherwise="missing"),
                Default(value="en"),
            ),
        ),
        Rule(
            target=f"{ENTERPRISE}:costCenter",
            source=AttributeSource(attribute="cost_centers.name"),
            transforms=(Trim(),),
            on_missing="clear",
        ),
        Rule(target=f"{ENTERPRISE}:organization", source=ConstantSource(value="Nordlicht GmbH")),
    ),
)
"""The larger example of the page."""
EMPLOYEE: Mapping[str, Value] = {
    "first_name": "Zoë",
    "last_name": " Lindqvist ",
    "email": "zoe.lindqvist@nordlicht.example",
    "status": "onboarding",
    "supervisor.id": 4700,
    "dynamic_1001": "Deutsch",
    "cost_centers.name": None,
}
"""Attributes of the employee that the larger example maps."""


def generate() -> str:
    """Returns the page."""
    return build_page(
        "Mappings",
        INTRODUCTION,
        "The mapping of a new connection:",
        format_block(format_document(default_mapping()), "json"),
        "## Wanted attributes",
        WANTED,
        "## The document",
        _build_fields(MappingDocument),
        "The defaults of `life_cycle`. Any other status, and an empty one, means `ignore`:",
        build_table(
            ("Status", "Intent"),
            [(format_code(status), format_code(intent.value)) for status, intent in LIFE_CYCLE.items()],
        ),
        "`provision` creates, links or updates the account and enables it. `disable` disables an account that the "
        "connection manages. `ignore` leaves the account unchanged.",
        "## A rule",
        _build_fields(Rule),
        "### Targets",
        TARGETS,
        f"These fields cannot be targets, in any spelling: {_list_not_mappable()} and the work e-mail. They come from the "
        "employee's id, e-mail and status, or Declaree or its administrator sets them. Other e-mail addresses are named by "
        'their type, such as `emails[type eq "home"].value`. The writer holds to the same rule: an event with such a '
        "field is a dead letter.",
        MANAGERS,
        format_block(MANAGER),
        "### Sources",
        build_table(
            ("Source", "Value"),
            [
                (format_code(_to_json(source)), format_docstring(type(source).__doc__))
                for source in (AttributeSource(attribute="office.name"), ConstantSource(value="de"))
            ],
        ),
        KEYS,
        "### Transforms",
        build_table(
            ("Transform", "Value", "Result", "Meaning"),
            [_build_transform(transform, value) for transform, value in EXAMPLES],
        ),
        EMPTY_VALUES,
        "## A larger example",
        format_block(format_document(LARGER), "json"),
        "For an employee with these attributes",
        build_table(
            ("Attribute", "Value"),
            [(format_code(key), format_code(_to_json(value))) for key, value in EMPLOYEE.items()],
        ),
        "the mapping gives this account:",
        build_table(("Field", "Value"), [(format_code(field), value) for field, value in _map_example()]),
    )


def _build_fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else format_code(_to_json(value))
        rows.append((format_code(name), format_docstring(field.description), default))
    return build_table(("Field", "Meaning", "Default"), rows)


def _to_json(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, ensure_ascii=False)


def _list_not_mappable() -> str:
    """Returns the names as SCIM writes them."""
    return ", ".join(map(format_code, NOT_MAPPABLE))


def _build_transform(transform: Transform, value: Value) -> tuple[str, str, str, str]:
    try:
        result = format_code(_to_json(compile_transform(transform)(value)))
    except UnfitValueError as error:
        result = f"rejected: *the value … {error}*"
    meaning = format_docstring(type(transform).__doc__)
    return format_code(_to_json(transform)), format_code(_to_json(value)), result, meaning


def _map_example() -> Iterator[tuple[str, str]]:
    """Yields each field of the account and a description of its value."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    connection = ConnectionId("c1")
    published = PublishedMapping(connection_id=connection, version=2, mapping=LARGER, published_at=now)
    event = EmployeeChanged(
        connection_id=connection,
        employee_id=EmployeeId("4711"),
        revision=1,
        kind=ChangeKind.CREATED,
        changed=tuple(EMPLOYEE),
        attributes=EMPLOYEE,
        detected_at=now,
    )
    desired = Engine(published).map(event).desired
    if desired is None:
        raise ValueError("the mapping of the larger example gives no account: correct LARGER or EMPLOYEE")
    values = {"externalId": desired.external_id, "userName": desired.user_name, WORK_EMAIL: desired.user_name}
    for field, value in (values | desired.fields).items():
        yield field, format_code(_to_json(value))
    if desired.manager is not None:
        yield MANAGER, f"the id of the account of employee {desired.manager.employee_id}"
