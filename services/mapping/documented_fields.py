"""The fields of Declaree that the vendor documents, with the labels of its user form or its upload of users.

The vendor's page about SCIM names the attributes of the enterprise extension and the locale. The paths of the other fields
follow RFC 7643. What a server lists about itself has precedence over this table.
"""

from services.contracts.fields import FieldOrigin, FieldType, TargetField
from services.contracts.targets import ENTERPRISE, MANAGER


def _document(
    path: str, english: str, german: str, *, type_: FieldType = FieldType.TEXT, is_required: bool = False
) -> TargetField:
    return TargetField(
        path=path,
        label_en=english,
        label_de=german,
        type=type_,
        is_required=is_required,
        origin=FieldOrigin.DOCUMENTED,
    )


DOCUMENTED_FIELDS = (
    _document("name.givenName", "First name", "Vorname", is_required=True),
    _document("name.familyName", "Last name", "Nachname", is_required=True),
    _document("name.middleName", "Last name prefix", "Namenspräfix"),
    _document("displayName", "Display name", "Anzeigename"),
    _document("title", "Job title", "Position"),
    _document(MANAGER, "Submits to (manager)", "Einreichen an (Vorgesetzte)", type_=FieldType.REFERENCE),
    _document("preferredLanguage", "Language", "Sprache"),
    _document("locale", "Language and region", "Sprache und Region"),
    _document('phoneNumbers[type eq "mobile"].value', "Mobile phone", "Mobiltelefon"),
    _document(f"{ENTERPRISE}:employeeNumber", "Employee number (Code 2)", "Personalnummer (Code 2)"),
    _document(f"{ENTERPRISE}:costCenter", "Cost centre (project)", "Kostenstelle (Projekt)"),
    _document(f"{ENTERPRISE}:department", "Department", "Abteilung"),
    _document(f"{ENTERPRISE}:division", "Division", "Bereich"),
    _document(f"{ENTERPRISE}:organization", "Organisation (administration)", "Organisation (Administration)"),
)
"""The documented fields, in the order in which an administrator reads them. A card needs the mobile phone."""
