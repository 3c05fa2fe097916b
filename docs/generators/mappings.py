"""Generates ``docs/mappings.md``: the mapping document, with examples that the engine evaluates."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from docs.generators.markdown import build_page, build_table, format_block, format_code, format_docstring
from services.admin.mapping_documents import format_document
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import (
    ENTERPRISE,
    LIFE_CYCLE,
    MANAGER,
    MAX_EXPRESSION_LENGTH,
    WORK_EMAIL,
    AttributeSource,
    AttributesSource,
    Condition,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    PublishedMapping,
    Rule,
    Scope,
    Source,
    default_mapping,
)
from services.contracts.outcomes import Intent
from services.contracts.targets import NOT_MAPPABLE
from services.contracts.transforms import (
    DateFormat,
    Default,
    Extract,
    First,
    Iban,
    Join,
    LanguageTag,
    Lower,
    Matching,
    NumberFormat,
    Phone,
    Split,
    Title,
    ToNumber,
    Transform,
    Transliterate,
    Trim,
    Upper,
    ValueTable,
)
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.expressions.evaluation import (
    MAX_INPUT_ENTRIES,
    MAX_INPUT_LENGTH,
    MAX_LOOP_INPUT_LENGTH,
    CompiledExpression,
)
from services.mapping.expressions.functions import FUNCTIONS
from services.mapping.expressions.translation import MAX_LOOP_TOKENS, MAX_MACROS, MAX_TOKENS
from services.mapping.functions.values import MAX_CHARACTERS, MAX_ENTRIES
from services.mapping.time_limit import MAX_SECONDS
from services.mapping.transforms import UnfitValueError, compile_transform

INTRODUCTION = """\
A mapping says which Personio attribute goes into which field of the Declaree account. Each connection has its own mapping,
numbered by version. A new connection starts with the first mapping below.

    personio-declaree mapping attributes ID
    personio-declaree mapping fields ID
    personio-declaree mapping export ID --yaml > mapping.yaml
    personio-declaree mapping lint mapping.yaml
    personio-declaree mapping import ID mapping.yaml --draft
    personio-declaree mapping preview ID
    personio-declaree mapping publish ID

A document is JSON or YAML. If it is invalid, the command prints each problem with its rule and place, and changes nothing. A draft
changes nothing either. A published mapping is the next version, and never changes. If it reads further attributes, all employees are
polled first. All employees are then resent, and only real differences are written. To go back, run `mapping rollback ID VERSION`."""

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

TRANSFORMS = f"""\
A rule names transforms by `kind`, with the settings that differ from the defaults. They are applied in their order.

A value is empty if it is null, an empty string or an empty list. Every transform except `default` leaves an empty value
unchanged. Each value of a list is transformed separately, except by `join`, `split` and `first`. Transforms of texts leave
numbers and booleans as they are, unless the table says otherwise.

A value has at most {MAX_CHARACTERS:,} characters before and after a transform, and a list has at most {MAX_ENTRIES:,} entries. A
complex pattern accepts only shorter texts. A larger value, and one that does not fit a transform, rejects the employee."""

SETTINGS = """\
The setting `otherwise` says what happens to a value that does not fit: `keep` keeps the value, `missing` replaces it by an empty
value, so that `default` or `on_missing` decides, and `reject` rejects the employee."""

EXPRESSIONS = f"""\
An expression is written in [CEL](https://cel.dev), the Common Expression Language: `==`, `!=`, `<`, `>`, `+`, `-`, `*`, `/`,
`&&` (and), `||` (or), `!` (not), `in`, and `condition ? value : other value`. Texts are in quotation marks. An attribute is
named by its key. If the key is not a name of letters, digits and underscores, write `attribute("2nd-phone")`. What differs from
CEL:

- An empty attribute is the empty text, and `null` means the same: `middle_name == null` and `middle_name == ""` are both true.
  It can be tested, compared for equality and joined: `first_name + " " + middle_name` gives `Ada`, without a space at the end.
  An operation that is not possible with an empty attribute, such as `weekly_hours > 20`, has an empty result.
- All numbers are decimal numbers: `weekly_hours / 2` is half of the hours. `+` does not join a text and a number:
  write `"Room " + string(room)`.
- A list has the entries `list[0]`, `list[1]` and so on. `list.map(entry, …)`, `list.filter(entry, …)`, `list.all(entry, …)`,
  `list.exists(entry, …)` and `list.exists_one(entry, …)` go through it: at most {MAX_MACROS} times, and not inside each other.
- An expression has at most {MAX_EXPRESSION_LENGTH:,} characters and {MAX_TOKENS} words and symbols ({MAX_LOOP_TOKENS} if it goes
  through a list). The values of an employee that it reads have at most {MAX_INPUT_LENGTH:,} characters
  ({MAX_LOOP_INPUT_LENGTH:,}), and a list {MAX_INPUT_ENTRIES} entries; an employee with more is rejected.

An attribute that the credential does not show is unknown, not empty: the field then stays as it is (with `on_missing` `reject`, the
employee is rejected), and so does the account if the condition of `scope` reads it. All expressions and patterns together have
{MAX_SECONDS} s of processor time for an employee; one that takes longer is rejected.

Functions are called as `trim(x)` or as `x.trim()`:"""

SOURCES: tuple[tuple[Source, str | None], ...] = (
    (AttributeSource(attribute="office.name"), None),
    (
        AttributeSource(attribute="cost_centers.name", largest_by="cost_centers.percentage"),
        "The entry with the largest number in the list beside it; the first one of several.",
    ),
    (AttributesSource(attributes=("dynamic_1", "dynamic_2")), None),
    (ConstantSource(value="de"), None),
    (ExpressionSource(expression='last_name + ", " + first_name'), None),
)
"""An example of each source, with its meaning; None for that of its model."""

EXPRESSION_EXAMPLES: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ('office.name == "Kiel" ? "KI" : "HH"', {"office.name": "Kiel"}),
    ('first_name + " " + middle_name', {"first_name": "Ada", "middle_name": None}),
    ("first(mobile, phone)", {"mobile": None, "phone": "+49 431 5550"}),
    ('cost_centers.name.map(n, n.substring(0, 4)).join("; ")', {"cost_centers.name": ("4711 Sales", "4712 IT")}),
    ('"Room " + string(room)', {"room": 12}),
    ("weekly_hours > 20", {"weekly_hours": None}),
)
"""Expressions with the attributes that they read."""

EXAMPLES: tuple[tuple[Transform, Value], ...] = (
    (Trim(), "  Berlin "),
    (Lower(), "DE"),
    (Upper(), "kst-12"),
    (Title(), "ANNA-LENA O'NEIL"),
    (Transliterate(), "Jürgen Müßig"),
    (Transliterate(german=False), "Jürgen Müßig"),
    (Default(value="Berlin"), None),
    (ValueTable(table={"Deutsch": "de", "Englisch": "en"}), "Deutsch"),
    (ValueTable(table={"Deutsch": "de"}, ignore_case=True), "DEUTSCH"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="keep"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="missing"), "Niederländisch"),
    (ValueTable(table={"Deutsch": "de"}, otherwise="reject"), "Niederländisch"),
    (DateFormat(format="dd.MM.yyyy"), "2026-03-01"),
    (DateFormat(format="d. MMMM yyyy", locale="de"), "2026-03-01T00:00:00+01:00"),
    (DateFormat(format="full", locale="de"), "2026-03-01"),
    (NumberFormat(decimals=2, locale="de"), 1234.5),
    (NumberFormat(grouping=False), 1234.5),
    (ToNumber(locale="de"), "1.234,5"),
    (ToNumber(), "40"),
    (Join(separator=" / "), ("Berlin", "Hamburg")),
    (Split(separator=";"), "Berlin; Hamburg;"),
    (First(), ("", "Berlin", "Hamburg")),
    (Extract(pattern=r"KST-(\d+)"), "KST-4711 Vertrieb"),
    (Extract(pattern=r"^(?P<code>\w+) (?P<name>.+)$", group="name"), "4711 Vertrieb"),
    (Extract(pattern=r"\d+", otherwise="missing"), "Vertrieb"),
    (Matching(pattern="^KST"), ("KST-4711", "Team Nord")),
    (Phone(), "0171 2345678"),
    (Phone(region="AT"), "+49 (0)171 2345678"),
    (Phone(), "0171 2345678 (privat)"),
    (Iban(), "de89 3704 0044 0532 0130 00"),
    (LanguageTag(), "Deutsch"),
    (LanguageTag(separator="_", region="add"), "Englisch"),
    (LanguageTag(region="remove"), "DE_at"),
)
"""Each transform, with a value that shows its effect. The first example of a transform decides about the order on the page."""

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
            source=AttributeSource(attribute="cost_centers.name", largest_by="cost_centers.percentage"),
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
    "cost_centers.name": ("4711 Sales", "4712 IT"),
    "cost_centers.percentage": (40, 60),
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
        "### Scope",
        _build_fields(Scope),
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
                (format_code(_to_json(source, exclude_none=True)), meaning or format_docstring(type(source).__doc__))
                for source, meaning in SOURCES
            ],
        ),
        KEYS,
        "### Expressions",
        EXPRESSIONS,
        build_table(
            ("Function", "Gives"), [(format_code(name), function.meaning) for name, function in FUNCTIONS.items()]
        ),
        build_table(
            ("Expression", "Attributes", "Result"),
            [
                (format_code(text), format_code(_to_json(values)), format_code(_to_json(_evaluate(text, values))))
                for text, values in EXPRESSION_EXAMPLES
            ],
        ),
        "### Conditions",
        "`when` says to which employees a rule applies:",
        _build_fields(Condition),
        "### Transforms",
        TRANSFORMS,
        build_table(
            ("Transform", "Meaning"),
            [(format_code(_get_kind(model)), format_docstring(model.__doc__)) for model in _list_transforms()],
        ),
        "#### Settings of transforms",
        SETTINGS,
        build_table(
            ("Transform", "Setting", "Meaning", "Default"),
            [
                (format_code(_get_kind(model)), *row)
                for model in _list_transforms()
                for row in _list_fields(model)
                if row[0] != "`kind`"
            ],
        ),
        "#### Examples of transforms",
        build_table(
            ("Transform", "Value", "Result"),
            [_build_example(transform, value) for transform, value in EXAMPLES],
        ),
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
    return build_table(("Field", "Meaning", "Default"), _list_fields(model))


def _list_fields(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Yields name, meaning and default of each field."""
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else format_code(_to_json(value))
        yield format_code(name), format_docstring(field.description), default


def _list_transforms() -> list[type[Transform]]:
    """Returns the models of all transforms, in the order of the examples."""
    return list(dict.fromkeys(type(transform) for transform, _ in EXAMPLES))


def _get_kind(model: type[Transform]) -> str:
    return str(model.model_fields["kind"].get_default())


def _to_json(value: Any, *, exclude_none: bool = False) -> str:
    plain = value.model_dump(mode="json", exclude_none=exclude_none) if isinstance(value, BaseModel) else value
    return json.dumps(plain, ensure_ascii=False)


def _evaluate(expression: str, attributes: Mapping[str, Value]) -> Value:
    return CompiledExpression(expression).evaluate(attributes)


def _list_not_mappable() -> str:
    """Returns the names as SCIM writes them."""
    return ", ".join(map(format_code, NOT_MAPPABLE))


def _build_example(transform: Transform, value: Value) -> tuple[str, str, str]:
    """Returns a transform with the settings that differ from the defaults, a value and the result."""
    try:
        result = format_code(_to_json(compile_transform(transform)(value)))
    except UnfitValueError as error:
        result = f"rejected: *the value … {error}*"
    settings = {"kind": transform.kind, **transform.model_dump(mode="json", exclude_defaults=True)}
    return format_code(_to_json(settings)), format_code(_to_json(value)), result


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
