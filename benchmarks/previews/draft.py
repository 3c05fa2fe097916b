"""The draft that is previewed: 20 rules as a company writes them, five of them with an expression or a condition. Pure."""

from sandbox.personio.catalogue import COMPANY_CARD, PERSONNEL_NUMBER, SKILLS, TITLE, TRAVEL_GROUP
from services.contracts.mappings import (
    ENTERPRISE,
    AttributeSource,
    Condition,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    Rule,
    default_mapping,
)
from services.contracts.transforms import DateFormat, Extract, First, Join, Transform, Transliterate, Trim, ValueTable

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
"""Declaree's own extension."""
POLICIES = {
    "Standard": "standard",
    "Vertrieb": "international",
    "Führungskraft": "executive",
    "Geschäftsführung": "executive",
}
"""The travel policies of Declaree, by the travel group in Personio."""


def build_draft() -> MappingDocument:
    """Returns the default mapping with 17 more rules."""
    rules = (
        Rule(
            target="displayName",
            source=ExpressionSource(expression='first(preferred_name, first_name + " " + last_name)'),
        ),
        _copy(f"{OWN}:initials", "last_name", Transliterate(), Extract(pattern=r"^\w")),
        Rule(target="title", source=ExpressionSource(expression=f'trim({TITLE} + " " + position)')),
        Rule(
            target="preferredLanguage",
            source=ExpressionSource(
                expression='office.name == "Amsterdam" ? "nl" : office.name == "Wien" ? "de-AT" : "de"'
            ),
        ),
        Rule(target="timezone", source=ConstantSource(value="Europe/Berlin")),
        _copy("userType", "employment_type"),
        _copy(f"{ENTERPRISE}:department", "department.name", Trim()),
        _copy(f"{ENTERPRISE}:division", "team.name", Trim()),
        _copy(f"{ENTERPRISE}:organization", "subcompany.name", Trim()),
        _copy(f"{ENTERPRISE}:employeeNumber", PERSONNEL_NUMBER, Trim()),
        _copy(f"{ENTERPRISE}:costCenter", "cost_centers.name", First(), Extract(pattern=r"^\d+", otherwise="keep")),
        _copy(f"{OWN}:travelPolicy", TRAVEL_GROUP, ValueTable(table=dict(POLICIES), otherwise="missing")),
        _copy(f"{OWN}:administration", "office.name"),
        _copy(f"{OWN}:code", SKILLS, Join(separator="; ")),
        _copy(f"{OWN}:expiresAt", "contract_end_date", DateFormat()),
        Rule(
            target=f"{OWN}:fixedProject",
            source=ConstantSource(value=True),
            when=Condition(expression=f'department.name in ["Vertrieb", "Einkauf"] && {COMPANY_CARD} == "Ja"'),
        ),
        Rule(
            target=f"{OWN}:companyCar",
            source=ExpressionSource(expression='"group " + string(weekly_working_hours)'),
            when=Condition(expression='position.contains("Manager")', otherwise="clear"),
        ),
    )
    return MappingDocument(rules=(*default_mapping().rules, *rules))


def _copy(target: str, attribute: str, *transforms: Transform) -> Rule:
    return Rule(target=target, source=AttributeSource(attribute=attribute), transforms=transforms)
