"""The made-up company's offices, departments, teams and the like, and what people in them are called."""

from dataclasses import dataclass

from sandbox.personio.units import Unit


@dataclass(frozen=True, slots=True)
class Department:
    """``teams`` and ``positions`` are lists separated by commas; ``cost_center`` is a number as controllers do."""

    name: str
    cost_center: str
    teams: str
    positions: str


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
    """With the subcompany that runs it and whose public holidays count there. ``weight`` is its share of people."""

    name: str
    weight: int
    subcompany: str
    calendar: str
    country: str
    state: str


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


def _schedule(hours: str) -> dict[str, str | None]:
    weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday")
    return {"valid_from": None, **dict.fromkeys(weekdays, hours), "saturday": "00:00", "sunday": "00:00"}


def founding_units() -> list[Unit]:
    """Everything but the teams, which grow with the company."""
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
        Unit("work_schedule", 97188, FULL_TIME, _schedule("08:00")),
        Unit("work_schedule", 97189, PART_TIME, _schedule("04:00")),
        Unit("absence_entitlement", 113437, VACATION, {"category": "paid_vacation"}),
    ]
