"""The examples of the page about mappings. The engine evaluates them, so that each result is what the product does."""

from collections.abc import Mapping
from datetime import UTC, datetime

from docs.generators.mappings.meanings import format_key
from services.contracts.events import ChangeKind, DesiredAccount, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.mappings import (
    ENTERPRISE,
    AttributeSource,
    AttributesSource,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    PublishedMapping,
    Rule,
    Source,
    default_mapping,
)
from services.contracts.outcomes import Intent
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

SOURCES: tuple[tuple[Source, str], ...] = (
    (AttributeSource(attribute="office.name"), format_key(AttributeSource)),
    (AttributeSource(attribute="cost_centers.name", largest_by="cost_centers.percentage"), "largest entry"),
    (AttributesSource(attributes=("dynamic_1", "dynamic_2")), format_key(AttributesSource)),
    (ConstantSource(value="de"), format_key(ConstantSource)),
    (ExpressionSource(expression='last_name + ", " + first_name'), format_key(ExpressionSource)),
)
"""An example of each source, with the key of its meaning."""

EXPRESSIONS: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ('office.name == "Kiel" ? "KI" : "HH"', {"office.name": "Kiel"}),
    ('first_name + " " + middle_name', {"first_name": "Ada", "middle_name": None}),
    ("first(mobile, phone)", {"mobile": None, "phone": "+49 431 5550"}),
    ('cost_centers.name.map(n, n.substring(0, 4)).join("; ")', {"cost_centers.name": ("4711 Sales", "4712 IT")}),
    ('"Room " + string(room)', {"room": 12}),
    ("weekly_hours > 20", {"weekly_hours": None}),
)
"""Expressions with the attributes that they read."""

TRANSFORMS: tuple[tuple[Transform, Value], ...] = (
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


def map_employee() -> DesiredAccount:
    """Returns the account that the larger example maps the employee to."""
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
    return desired
