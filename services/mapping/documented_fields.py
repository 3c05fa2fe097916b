"""The fields of Declaree that the vendor documents, with the labels of its user form or its upload of users.

The vendor's page about SCIM names the attributes of the enterprise extension and the locale. The paths of the other fields
follow RFC 7643. What a server lists about itself has precedence over this table.
"""

import re

from services.contracts.fields import FieldOrigin, FieldType, TargetField
from services.contracts.targets import ENTERPRISE, MANAGER

LABELS = {
    "accountno": ("Account number", "Kontonummer"),
    "accountnumber": ("Account number", "Kontonummer"),
    "administration": ("Administration", "Administration"),
    "approvesto": ("Approves to", "Wenn genehmigt"),
    "assistants": ("Assistants", "Assistenten"),
    "code": ("Code (creditor number)", "Code (Kreditorennummer)"),
    "code2": ("Code (2)", "Code (2)"),
    "emailnotifications": ("E-mail notifications", "E-Mail-Benachrichtigungen"),
    "expiresat": ("Expires at", "Erlischt am"),
    "fixedproject": ("Fixed project", "Festes Projekt"),
    "initials": ("Initials", "Initialen"),
    "lastnameprefix": ("Lastname prefix", "Nachname Präfix"),
    "licenseplate": ("License plate", "Kennzeichen"),
    "project": ("Project", "Projekt"),
    "subdomain": ("Subdomain", "Subdomain"),
}
"""English and German labels of documented fields without a known path, by the name that an extension would give them: in lowercase,
letters and digits alone."""


def find_labels(path: str) -> tuple[str, str] | None:
    """Returns the English and the German label of a documented field in an extension; None if its name is not documented."""
    extension, name = path.rpartition(":")[::2]
    return LABELS.get(re.sub(r"[^a-z0-9]", "", name.lower())) if extension else None


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
    _document("name.middleName", *LABELS["lastnameprefix"]),
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
