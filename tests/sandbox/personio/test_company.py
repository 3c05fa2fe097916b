"""The generated company, its tree of supervisors, and the status changes that become due."""

import random
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.personio.company import Company, EmailTakenError, UnknownEmployeeError
from sandbox.personio.employee_values import generate_iban
from sandbox.personio.generator import generate
from sandbox.personio.hierarchy import build_positions, draw_spans
from sandbox.personio.local_time import format_midnight
from sandbox.personio.names import build_mailbox

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _generate_company(active: int, seed: int = 1) -> Company:
    return generate(seed=seed, active=active, today=TODAY)


@pytest.mark.parametrize("active", [1, 2, 17, 250, 1000])
def test_company_has_exact_active_number_and_all_statuses(active: int) -> None:
    """A company of any size has exactly the requested active employees, and each other status occurs."""
    counts = _generate_company(active).count_by_status()

    assert counts["active"] == active
    assert min(counts.values()) >= 1


def test_company_without_other_statuses_is_all_active() -> None:
    """A test can request a company in which all employees are active."""
    assert generate(seed=1, active=30, today=TODAY, with_other_statuses=False).count_by_status() == {
        "active": 30,
        "onboarding": 0,
        "leave": 0,
        "inactive": 0,
    }


def test_company_without_employees_raises_value_error() -> None:
    """An active employee heads the company, so zero employees are invalid."""
    with pytest.raises(ValueError, match="at least one"):
        _generate_company(0)


def test_seed_determines_the_company() -> None:
    """The same seed gives the same company, and another seed gives another one."""
    assert _generate_company(40).list_employees() == _generate_company(40).list_employees()
    assert _generate_company(40).list_employees() != _generate_company(40, seed=2).list_employees()


def test_ten_thousand_employees_have_unique_ascii_emails() -> None:
    """Namesakes get different addresses, and names with accents get ASCII addresses."""
    employees = _generate_company(10_000).list_employees()

    assert len({employee.email for employee in employees}) == len(employees) > 10_000
    assert all(employee.email.isascii() and employee.email.endswith("@nordlicht.example") for employee in employees)


def test_all_reporting_chains_end_at_one_head() -> None:
    """All supervisors are active, and the reporting chains contain no cycles."""
    company = _generate_company(300)
    heads = [employee for employee in company.list_employees() if employee.supervisor is None]

    assert len(heads) == 1

    for employee in company.list_employees():
        chain = [employee.id]
        while (above := company.get(chain[-1]).supervisor) is not None:
            assert company.get(above).status == "active"
            assert above not in chain
            chain.append(above)
        assert chain[-1] == heads[0].id


def test_supervisors_have_four_to_twelve_reports() -> None:
    """The generated company has spans of a real organisation."""
    reports = Counter(
        employee.supervisor for employee in _generate_company(777).list_employees() if employee.supervisor is not None
    )

    assert 4 <= min(reports.values()) <= max(reports.values()) <= 12


@given(st.integers(5, 3000), st.integers())
def test_spans_of_any_size_are_4_to_12_and_cover_all_positions(employees: int, seed: int) -> None:
    """The spans place all positions below the head, for any size and seed."""
    sizes = draw_spans(random.Random(seed), employees)

    assert sum(sizes) == employees - 1
    assert all(4 <= size <= 12 for size in sizes)


@given(st.integers(1, 200), st.integers())
def test_supervisor_stands_before_its_reports(employees: int, seed: int) -> None:
    """The generator can create employees in order, because a supervisor always comes first."""
    chart = build_positions(random.Random(seed), employees)

    assert len(chart) == employees
    assert all(position.supervisor < index for index, position in enumerate(chart) if position.supervisor is not None)


def test_names_contain_all_difficult_characters() -> None:
    """Names contain umlauts, accents, hyphens, particles and apostrophes, which clients must accept."""
    names = " | ".join(
        f"{employee.values['first_name']} {employee.values['last_name']}"
        for employee in _generate_company(2000).list_employees()
    )
    for part in ("ü", "ß", "é", "Ł", "Marie-Luise", "van der ", "O'", "von der "):
        assert part in names


@pytest.mark.parametrize(
    ("first", "last", "mailbox"),
    [
        ("Jörg", "Weiß", "joerg.weiss"),
        ("Éléonore", "de La Fontaine", "eleonore.delafontaine"),
        ("Łucja", "Müller-Lüdenscheidt", "lucja.mueller-luedenscheidt"),
        ("Søren", "'t Hart", "soeren.thart"),
        ("明", "王", "x.x"),
    ],
)
def test_mailbox_of_any_name_is_plain_ascii(first: str, last: str, mailbox: str) -> None:
    """A mailbox consists of lowercase ASCII letters, digits, hyphens and one dot."""
    assert build_mailbox(first, last) == mailbox


def test_iban_has_valid_check_digits() -> None:
    """The IBAN has 22 characters and passes the check of ISO 13616."""
    plain = generate_iban(random.Random(3)).replace(" ", "")

    assert len(plain) == 22
    assert int(plain[4:] + "1314" + plain[2:4]) % 97 == 1


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2014, 11, 9), "2014-11-09T00:00:00+01:00"),
        (date(1983, 9, 1), "1983-09-01T00:00:00+02:00"),
        (date(1835, 2, 1), "1835-02-01T00:00:00+00:53"),
        (date(2026, 3, 29), "2026-03-29T00:00:00+01:00"),
        (date(2026, 3, 30), "2026-03-30T00:00:00+02:00"),
        (date(2026, 10, 25), "2026-10-25T00:00:00+02:00"),
        (date(2026, 10, 26), "2026-10-26T00:00:00+01:00"),
        (date(1995, 9, 25), "1995-09-25T00:00:00+01:00"),
        (date(1953, 3, 16), "1953-03-16T00:00:00+01:00"),
    ],
)
def test_midnight_has_the_offset_of_its_day(day: date, text: str) -> None:
    """The offset follows summer time, its former end in September, and local mean time before 1893."""
    assert format_midnight(day) == text


def test_due_statuses_change_without_modification() -> None:
    """A starter becomes active and a leaver inactive after the last day, without a new modification time."""
    company = _generate_company(20)
    starting = next(employee for employee in company.list_employees() if employee.status == "onboarding")
    leaving = next(employee for employee in company.list_employees() if employee.status == "active")
    company.change(leaving.id, {"termination_date": format_midnight(date(2026, 3, 31))}, NOON)

    company.apply_due_statuses(date(2026, 3, 31), NOON, mark_modified=False)

    assert company.get(leaving.id).status == "active"

    company.apply_due_statuses(date(2026, 6, 30), NOON, mark_modified=False)

    assert company.get(leaving.id).status == "inactive"
    assert company.get(starting.id).status == "active"
    assert company.get(starting.id).modified_at == starting.modified_at


def test_due_status_can_count_as_modification() -> None:
    """A switch marks an employee as modified when its status changes on the effective date."""
    company = _generate_company(20)
    starting = next(employee for employee in company.list_employees() if employee.status == "onboarding")

    company.apply_due_statuses(date(2026, 6, 30), NOON, mark_modified=True)

    assert company.get(starting.id).modified_at == NOON


def test_email_address_belongs_to_one_employee() -> None:
    """An address is taken in any letter case until its employee gets another address."""
    company = _generate_company(20)
    first, second = company.list_employees()[:2]
    with pytest.raises(EmailTakenError):
        company.change(second.id, {"email": first.email.upper()}, NOON)

    company.change(first.id, {"email": "free@nordlicht.example"}, NOON)

    assert company.change(second.id, {"email": first.email}, NOON).email == first.email


def test_deleted_employee_leaves_reports_without_supervisor() -> None:
    """The deleted employee is unknown, its reports have no supervisor, and its id is not used again."""
    company = _generate_company(20)
    supervisor = next(employee.supervisor for employee in company.list_employees() if employee.supervisor is not None)
    reports = [employee.id for employee in company.list_employees() if employee.supervisor == supervisor]
    company.delete(supervisor, NOON)

    with pytest.raises(UnknownEmployeeError):
        company.get(supervisor)

    assert {company.get(report).supervisor for report in reports} == {None}
    assert company.hire({"email": "new@nordlicht.example"}, NOON).id > max(reports)
