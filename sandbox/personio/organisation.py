"""Offices, departments, teams and positions of the fictional company."""

from dataclasses import dataclass

from sandbox.personio.units import Unit


@dataclass(frozen=True, slots=True)
class Department:
    """Department with its teams and positions."""

    name: str
    """Name of the department."""
    cost_center: str
    """Number and name of its cost centre."""
    teams: str
    """Names of its teams, separated by commas; empty if it has none."""
    positions: str
    """Names of its positions, separated by commas."""


MANAGEMENT = Department("Geschäftsführung", "1000 Geschäftsführung", "", "Geschäftsführerin,Geschäftsführer")
DEPARTMENTS = (
    Department(
        "Vertrieb",
        "2000 Vertrieb",
        "Key Account,Region Nord,Region Süd,DACH,Benelux",
        "Account Manager,Vertriebsinnendienst",
    ),
    Department(
        "Logistik",
        "3000 Logistik",
        "Lager,Disposition,Zoll,Flotte",
        "Disponent,Fachkraft für Lagerlogistik,Zollsachbearbeiter",
    ),
    Department(
        "IT & Entwicklung",
        "4000 IT",
        "Plattform,Backend,Frontend,Data,Support",
        "Software Engineer,Data Analyst,IT Support",
    ),
    Department(
        "Finanzen", "5000 Finanzen", "Buchhaltung,Controlling,Treasury", "Controller,Buchhalter,Financial Analyst"
    ),
    Department(
        "Personal",
        "5500 Personal",
        "Recruiting,Payroll,HR Services",
        "HR Business Partner,Recruiter,Payroll Specialist",
    ),
    Department(
        "Marketing", "6000 Marketing", "Brand,Performance,Content", "Content Manager,Grafikdesigner,SEO Manager"
    ),
    Department("Einkauf", "6500 Einkauf", "Strategischer Einkauf,Operativer Einkauf", "Einkäufer,Category Manager"),
    Department(
        "Customer Support",
        "7000 Support",
        "First Level,Second Level,Onboarding",
        "Support Agent,Customer Success Manager",
    ),
    Department("Qualität", "7500 Qualität", "Audit,Labor", "Qualitätsprüfer,Auditor"),
    Department("Recht & Compliance", "8000 Recht", "Verträge,Datenschutz", "Syndikusrechtsanwalt,Legal Counsel"),
    Department(
        "Produktion",
        "9000 Produktion",
        "Montage,Instandhaltung,Planung",
        "Mechatroniker,Schichtplaner,Fertigungsplaner",
    ),
    Department(
        "Forschung & Entwicklung", "9500 F&E", "Prototypen,Simulation", "Entwicklungsingenieur,Versuchstechniker"
    ),
)


@dataclass(frozen=True, slots=True)
class Office:
    """Office with its subcompany and public holidays."""

    name: str
    """Name of the office."""
    weight: int
    """Share of the employees, relative to the weights of the other offices."""
    subcompany: str
    """Name of the subcompany that runs the office."""
    calendar: str
    """Name of the calendar of public holidays."""
    country: str
    """Country of the calendar, as ISO 3166 code."""
    state: str
    """Federal state, canton or region of the calendar."""


GMBH, AT, CH, NL, FR = (
    "Nordlicht GmbH",
    "Nordlicht Austria GmbH",
    "Nordlicht (Schweiz) AG",
    "Nordlicht Nederland B.V.",
    "Nordlicht S.à r.l.",
)
OFFICES = (
    Office("München", 30, GMBH, "Deutschland (Bayern) Feiertage", "DE", "Bayern"),
    Office("Berlin", 20, GMBH, "Deutschland (Berlin) Feiertage", "DE", "Berlin"),
    Office("Hamburg", 15, GMBH, "Deutschland (Hamburg) Feiertage", "DE", "Hamburg"),
    Office("Köln", 10, GMBH, "Deutschland (Nordrhein-Westfalen) Feiertage", "DE", "Nordrhein-Westfalen"),
    Office("Wien", 7, AT, "Österreich Feiertage", "AT", "Wien"),
    Office("Zürich", 6, CH, "Schweiz (Zürich) Feiertage", "CH", "Zürich"),
    Office("'s-Hertogenbosch", 7, NL, "Nederland feestdagen", "NL", "Noord-Brabant"),
    Office("Orléans", 5, FR, "France jours fériés", "FR", "Centre-Val de Loire"),
)

FULL_TIME, PART_TIME = (
    "Vollzeit, 40 Stunden ohne Zeiterfassung, (Mo,Di,Mi,Do,Fr)",
    "Teilzeit, 20 Stunden, (Mo,Di,Mi,Do,Fr)",
)
VACATION = "Bezahlter Urlaub"


def _build_schedule(hours: str) -> dict[str, str | None]:
    weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday")
    return {"valid_from": None, **dict.fromkeys(weekdays, hours), "saturday": "00:00", "sunday": "00:00"}


def create_initial_units() -> list[Unit]:
    """Returns all units except teams. The generator adds teams according to the size of the company."""
    departments = (MANAGEMENT, *DEPARTMENTS)
    subcompanies = dict.fromkeys(office.subcompany for office in OFFICES)
    return [
        *(Unit("subcompany", 7033 + number, name) for number, name in enumerate(subcompanies)),
        *(Unit("office", 131014 + 3 * number, office.name) for number, office in enumerate(OFFICES)),
        *(Unit("department", 281521 + 5 * number, department.name) for number, department in enumerate(departments)),
        *(
            Unit("cost_centers", 82957 + number, department.cost_center)
            for number, department in enumerate(departments)
        ),
        *(
            Unit("holiday_calendar", 2 + number, office.calendar, {"country": office.country, "state": office.state})
            for number, office in enumerate(OFFICES)
        ),
        Unit("work_schedule", 97188, FULL_TIME, _build_schedule("08:00")),
        Unit("work_schedule", 97189, PART_TIME, _build_schedule("04:00")),
        Unit("absence_entitlement", 113437, VACATION, {"category": "paid_vacation"}),
    ]
