"""The made-up company, its tree of supervisors, and what time does to it."""

import random
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.personio.company import Company, EmailTakenError, UnknownEmployeeError
from sandbox.personio.generator import generate
from sandbox.personio.hierarchy import positions, spans
from sandbox.personio.local_time import midnight
from sandbox.personio.names import mailbox
from sandbox.personio.person import iban

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _company(active: int, seed: int = 1) -> Company:
    return generate(seed=seed, active=active, today=TODAY)


@pytest.mark.parametrize("active", [1, 2, 17, 250, 1000])
def test_the_number_of_active_people_is_exact_and_every_status_occurs(active: int) -> None:
    counts = _company(active).counts()
    assert counts["active"] == active
    assert min(counts.values()) >= 1


def test_others_can_be_left_out() -> None:
    assert generate(seed=1, active=30, today=TODAY, with_others=False).counts() == {
        "active": 30,
        "onboarding": 0,
        "leave": 0,
        "inactive": 0,
    }


def test_nobody_is_no_company() -> None:
    with pytest.raises(ValueError, match="at least one"):
        _company(0)


def test_the_same_seed_gives_the_same_company_and_another_seed_another() -> None:
    assert _company(40).listed() == _company(40).listed()
    assert _company(40).listed() != _company(40, seed=2).listed()


def test_ten_thousand_people_have_their_own_email_addresses() -> None:
    people = _company(10_000).listed()
    assert len({person.email for person in people}) == len(people) > 10_000
    assert all(person.email.isascii() and person.email.endswith("@nordlicht.example") for person in people)


def test_one_person_heads_the_company_and_everybody_else_has_a_supervisor_at_work() -> None:
    company = _company(300)
    heads = [person for person in company.listed() if person.supervisor is None]
    assert len(heads) == 1
    for person in company.listed():
        chain = [person.id]
        while (above := company.get(chain[-1]).supervisor) is not None:
            assert company.get(above).status == "active"
            assert above not in chain
            chain.append(above)
        assert chain[-1] == heads[0].id


def test_four_to_twelve_people_report_to_each_supervisor() -> None:
    reports = Counter(person.supervisor for person in _company(777).listed() if person.supervisor is not None)
    assert 4 <= min(reports.values()) <= max(reports.values()) <= 12


@given(st.integers(5, 3000), st.integers())
def test_every_size_has_spans_of_4_to_12_that_place_everybody(people: int, seed: int) -> None:
    widths = spans(random.Random(seed), people)
    assert sum(widths) == people - 1
    assert all(4 <= width <= 12 for width in widths)


@given(st.integers(1, 200), st.integers())
def test_a_supervisor_stands_before_their_reports(people: int, seed: int) -> None:
    chart = positions(random.Random(seed), people)
    assert len(chart) == people
    assert all(position.supervisor < place for place, position in enumerate(chart) if position.supervisor is not None)


def test_names_have_umlauts_accents_hyphens_particles_and_apostrophes() -> None:
    names = " | ".join(f"{p.values['first_name']} {p.values['last_name']}" for p in _company(2000).listed())
    for part in ("ü", "ß", "é", "Ł", "Marie-Luise", "van der ", "O'", "von der "):
        assert part in names


@pytest.mark.parametrize(
    ("first", "last", "box"),
    [
        ("Jörg", "Weiß", "joerg.weiss"),
        ("Éléonore", "de La Fontaine", "eleonore.delafontaine"),
        ("Łucja", "Müller-Lüdenscheidt", "lucja.mueller-luedenscheidt"),
        ("Søren", "'t Hart", "soeren.thart"),
        ("明", "王", "x.x"),
    ],
)
def test_mailboxes_are_plain(first: str, last: str, box: str) -> None:
    assert mailbox(first, last) == box


def test_ibans_have_right_check_digits() -> None:
    plain = iban(random.Random(3)).replace(" ", "")
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
def test_local_midnight_is_written_with_the_offset_of_the_day(day: date, text: str) -> None:
    assert midnight(day) == text


def test_who_starts_becomes_active_and_who_has_left_becomes_inactive_without_a_mark() -> None:
    company = _company(20)
    starting = next(person for person in company.listed() if person.status == "onboarding")
    leaving = next(person for person in company.listed() if person.status == "active")
    company.change(leaving.id, {"termination_date": midnight(date(2026, 3, 31))}, NOON)
    company.settle(date(2026, 3, 31), NOON, leave_a_mark=False)
    assert company.get(leaving.id).status == "active"
    company.settle(date(2026, 6, 30), NOON, leave_a_mark=False)
    assert (company.get(leaving.id).status, company.get(starting.id).status) == ("inactive", "active")
    assert company.get(starting.id).modified_at == starting.modified_at


def test_a_flip_can_leave_a_mark() -> None:
    company = _company(20)
    starting = next(person for person in company.listed() if person.status == "onboarding")
    company.settle(date(2026, 6, 30), NOON, leave_a_mark=True)
    assert company.get(starting.id).modified_at == NOON


def test_an_email_address_belongs_to_one_person() -> None:
    company = _company(20)
    first, second = company.listed()[:2]
    with pytest.raises(EmailTakenError):
        company.change(second.id, {"email": first.email.upper()}, NOON)
    company.change(first.id, {"email": "free@nordlicht.example"}, NOON)
    assert company.change(second.id, {"email": first.email}, NOON).email == first.email


def test_a_deleted_person_is_gone_for_good_and_their_reports_have_no_supervisor() -> None:
    company = _company(20)
    boss = next(person.supervisor for person in company.listed() if person.supervisor is not None)
    reports = [person.id for person in company.listed() if person.supervisor == boss]
    company.delete(boss, NOON)
    with pytest.raises(UnknownEmployeeError):
        company.get(boss)
    assert {company.get(report).supervisor for report in reports} == {None}
    assert company.hire({"email": "new@nordlicht.example"}, NOON).id > max(reports)
