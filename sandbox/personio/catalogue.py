"""Attributes of an employee, with the labels and types of the vendor's reference."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["en", "de"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """Attribute of an employee, without its value."""

    key: str
    """Key in the API, such as ``first_name`` or ``dynamic_24407``."""
    label: str
    """English label of a system attribute, or the customer's label of a custom attribute."""
    german: str = ""
    """German label; empty for custom attributes, which have one label in every language."""
    type: str = "standard"
    """Type as the vendor names it."""
    universal_id: str | None = None
    """Identifier that is the same in all accounts; None for most custom attributes."""
    options: tuple[str, ...] = ()
    """Possible values of a list or of tags."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further keys of the rendered attribute, such as ``currency``."""

    def get_label(self, language: Language) -> str:
        """Returns the label in this language."""
        return self.german if self.german and language == "de" else self.label


def _system(key: str, label: str, german: str, type_: str = "standard", **extra: str) -> Attribute:
    return Attribute(key, label, german, type_, universal_id=key, extra=extra)


SYSTEM = (
    _system("id", "ID", "ID", "integer"),
    _system("first_name", "First name", "Vorname"),
    _system("last_name", "Last name", "Nachname"),
    _system("preferred_name", "Name (preferred)", "Name (bevorzugt)"),
    _system("email", "Email", "E-Mail"),
    _system("gender", "Gender", "Geschlecht"),
    _system("status", "Status", "Status"),
    _system("position", "Position", "Position"),
    _system("supervisor", "Supervisor", "Vorgesetzter"),
    _system("employment_type", "Employment type", "Anstellungsart"),
    _system("weekly_working_hours", "Weekly hours", "Wochenstunden"),
    _system("hire_date", "Hire date", "Einstellungsdatum", "date"),
    _system("contract_end_date", "Contract ends", "Vertragsende", "date"),
    _system("termination_date", "Termination date", "Kündigungsdatum", "date"),
    _system("termination_type", "Termination type", "Kündigungsart"),
    _system("termination_reason", "Termination reason", "Kündigungsgrund"),
    _system("probation_period_end", "Probation period end", "Ende der Probezeit", "date"),
    _system("created_at", "created_at", "created_at", "date"),
    _system("last_modified_at", "Last modified", "Zuletzt geändert", "date"),
    _system("subcompany", "Subcompany", "Gesellschaft"),
    _system("office", "Office", "Standort"),
    _system("department", "Department", "Abteilung"),
    _system("cost_centers", "Cost center", "Kostenstelle"),
    _system("holiday_calendar", "Public holidays", "Feiertage"),
    _system("absence_entitlement", "Absence entitlement", "Abwesenheitsanspruch"),
    _system("work_schedule", "Work schedule", "Arbeitszeitmodell"),
    _system("fix_salary", "Fix salary", "Fixgehalt", "decimal", currency="EUR"),
    _system("fix_salary_interval", "Salary interval", "Gehaltsintervall"),
    _system("hourly_salary", "Hourly salary", "Stundenlohn", "decimal", currency="EUR"),
    _system("vacation_day_balance", "Vacation day balance", "Resturlaub", "decimal"),
    _system("last_working_day", "Last day of work", "Letzter Arbeitstag", "date"),
    _system("profile_picture", "Profile Picture", "Profilbild"),
    _system("team", "Team", "Team"),
)

TITLE, IBAN, ANNIVERSARY, BIRTHDAY = "dynamic_24407", "dynamic_21827", "dynamic_33400", "dynamic_180883"
PERSONNEL_NUMBER, TRAVEL_GROUP, SKILLS, COMPANY_CARD = (
    "dynamic_60990",
    "dynamic_70412",
    "dynamic_40211",
    "dynamic_51877",
)
CHILDREN, BONUS, NOTES, PROFILE_LINK = "dynamic_91555", "dynamic_91560", "dynamic_80563", "dynamic_91007"
MOBILE = "dynamic_93120"

TRAVEL_GROUPS = ("Standard", "Vertrieb", "Führungskraft", "Geschäftsführung")
SKILL_OPTIONS = (
    "AT Power-Point",
    "CI/CD",
    "Ersthelfer",
    "Französisch",
    "Führerschein C",
    "Presentation Training",
    "SAP FI",
)

CUSTOM = (
    Attribute(TITLE, "Titel"),
    Attribute(IBAN, "IBAN", universal_id="iban"),
    Attribute(ANNIVERSARY, "Anniversary Date", type="date"),
    Attribute(BIRTHDAY, "Birthday", type="date", universal_id="date_of_birth"),
    Attribute(PERSONNEL_NUMBER, "Personalnummer"),
    Attribute(TRAVEL_GROUP, "Reisekostengruppe", type="list", options=TRAVEL_GROUPS),
    Attribute(SKILLS, "Kenntnisse", type="tags", options=SKILL_OPTIONS),
    Attribute(COMPANY_CARD, "Firmenkreditkarte", type="list", options=("Ja", "Nein")),
    Attribute(CHILDREN, "Anzahl der Kinder", type="integer"),
    Attribute(BONUS, "Bonus (%)", type="decimal"),
    Attribute(NOTES, "Notizen", type="multiline"),
    Attribute(PROFILE_LINK, "Öffentliches Profil", type="link"),
    Attribute(MOBILE, "Mobiltelefon"),
)
"""Custom attributes. The customer writes their labels, so the labels are the same in every language."""

ATTRIBUTES: dict[str, Attribute] = {attribute.key: attribute for attribute in (*SYSTEM, *CUSTOM)}

SALARIES = frozenset({"fix_salary", "fix_salary_interval", "hourly_salary", BONUS})
ALL_KEYS = frozenset(ATTRIBUTES)
DEFAULT_WHITELIST = ALL_KEYS - SALARIES
"""Attributes that the credential of the demo may read: all except salaries."""


def sort_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Returns the keys in the order of the catalogue, without unknown keys."""
    wanted = frozenset(keys)
    return tuple(key for key in ATTRIBUTES if key in wanted)
