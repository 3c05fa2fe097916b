"""``docs/mappings.md``: the mapping document, with examples that are what the engine makes of them."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from docs.generators.markdown import block, code, page, prose, table
from services.admin.mappings import as_document
from services.contracts.events import Attribute, EmployeeChanged, Intent, Kind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import (
    ENTERPRISE,
    LIFE_CYCLE,
    MANAGER,
    NOT_MAPPABLE,
    AttributeSource,
    ConstantSource,
    DateFormat,
    Default,
    Lower,
    PublishedMapping,
    Rule,
    Transform,
    Trim,
    ValueTable,
    default_mapping,
)
from services.contracts.mappings import Mapping as Document
from services.contracts.model import Value
from services.mapping.engine import Engine
from services.mapping.transforms import UnfitValueError, compiled

INTRODUCTION = """\
A mapping says which Personio attribute (right) goes into which field of the Declaree account (left). Each connection
has its own, numbered by version; a new connection starts with the first one below.

    personio-declaree mapping export ID > mapping.json
    personio-declaree mapping import ID mapping.json

An import is refused, with the place and the reason, if the document is wrong; nothing has changed then. Otherwise it is
in force at once as the next version, everybody is sent again, and only real differences are written. To go back, import
the older document."""

KEYS = """\
Attributes are named by Personio's keys, which `people show ID EMPLOYEE` lists with the values of one employee:
`first_name`, `position`, and for those of the company's own `dynamic_` and a number, with their label. What Personio
nests has a key per part, such as `office.name`, `cost_centers.percentage` (a list) or `supervisor.id`."""

TARGETS = """\
Targets are SCIM paths (RFC 7643, RFC 7644 section 3.10): of the core schema `title`, `preferredLanguage` or
`phoneNumbers[type eq "mobile"].value`; of an extension its URN, a colon and the attribute. Which of them Declaree keeps,
and what its own extension is called, it says itself under `/Schemas` of its SCIM address. A field that its answer does not
show after it was written is named by `people show`."""

MANAGERS = """\
The supervisor ("Submits to") has a target of its own: it takes the Personio id of an employee and becomes the id of that
employee's account, as soon as there is one."""

NONE_OF_IT = """\
A value is missing if Personio holds null, an empty text or an empty list. What is missing passes through all transforms
but `default`; of a list each value is transformed for itself."""

SHOWN: tuple[tuple[Transform, Value], ...] = (
    (Trim(), "  Berlin "),
    (Lower(), "DE"),
    (Default(value="Berlin"), None),
    (DateFormat(format="%d.%m.%Y"), "2026-03-01"),
    (ValueTable(table={"Deutsch": "de", "Englisch": "en"}), "Deutsch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="keep"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="missing"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="reject"), "Niederländisch"),
)
"""Each transform, and a value to show it on."""

LARGER = Document(
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
EMPLOYEE: Mapping[str, Value] = {
    "first_name": "Zoë",
    "last_name": " Lindqvist ",
    "email": "zoe.lindqvist@nordlicht.example",
    "status": "onboarding",
    "supervisor.id": 4700,
    "dynamic_1001": "Deutsch",
    "cost_centers.name": None,
}


def text() -> str:
    return page(
        "Mappings",
        INTRODUCTION,
        "What every connection starts with:",
        block(as_document(default_mapping()), "json"),
        "## The document",
        _fields(Document),
        "What a status means unless `life_cycle` says otherwise (any other, and an empty one: `ignore`):",
        table(("Status", "Means"), [(code(status), code(intent.value)) for status, intent in LIFE_CYCLE.items()]),
        "`provision` creates, links or updates the account and enables it; `disable` disables one that the connection "
        "manages; `ignore` leaves it as it is.",
        "## A rule",
        _fields(Rule),
        "### Targets",
        TARGETS,
        f"No rule can have as its target: {_not_mappable()}, or the work e-mail. They come from the employee's id, "
        "e-mail and status, or are Declaree's own.",
        MANAGERS,
        block(MANAGER),
        "### Sources",
        table(
            ("Source", "Gives"),
            [
                (code(_json(source)), prose(type(source).__doc__))
                for source in (AttributeSource(attribute="office.name"), ConstantSource(value="de"))
            ],
        ),
        KEYS,
        "### Transforms",
        table(("Transform", "Of", "Makes", "Meaning"), map(_shown, *zip(*SHOWN, strict=True))),
        NONE_OF_IT,
        "## A larger example",
        block(as_document(LARGER), "json"),
        "Of an employee with these attributes",
        table(("Attribute", "Value"), [(code(key), code(_json(value))) for key, value in EMPLOYEE.items()]),
        "it makes this account:",
        table(("Field", "Value"), [(code(field), code(_json(value))) for field, value in _account()]),
    )


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else code(_json(field.get_default(call_default_factory=True)))
        rows.append((code(name), prose(field.description), default))
    return table(("Field", "Meaning", "Unless given"), rows)


def _json(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, ensure_ascii=False)


def _not_mappable() -> str:
    spelled = {"externalid": "externalId", "username": "userName"}
    return ", ".join(code(spelled.get(name, name)) for name in sorted(NOT_MAPPABLE))


def _shown(transform: Transform, value: Value) -> tuple[str, str, str, str]:
    try:
        made = code(_json(compiled(transform)(value)))
    except UnfitValueError as error:
        made = f"rejected: *the value … {error}*"
    return code(_json(transform)), code(_json(value)), made, prose(type(transform).__doc__)


def _account() -> Iterator[tuple[str, Value]]:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    connection = ConnectionId("c1")
    published = PublishedMapping(connection_id=connection, version=2, mapping=LARGER, published_at=now)
    event = EmployeeChanged(
        connection_id=connection,
        employee_id=EmployeeId("4711"),
        revision=1,
        kind=Kind.CREATED,
        changed=tuple(EMPLOYEE),
        attributes={key: Attribute(value=value) for key, value in EMPLOYEE.items()},
        detected_at=now,
    )
    desired = Engine(published).map(event).desired
    if desired is None:
        raise ValueError("the example does not map")
    yield "externalId", desired.external_id
    yield "userName, and the work e-mail", desired.user_name
    yield from desired.fields.items()
    if desired.manager is not None:
        yield MANAGER, f"the id of the account of employee {desired.manager.employee_id}"
