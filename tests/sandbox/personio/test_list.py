"""``GET /v1/company/employees``: paging and selection.

- 50 employees a page by default, at most 100. ``offset`` counts records; ``current_page`` starts at 0.
- Consistent metadata; ``offset`` and ``limit`` are repeated in the response.
- ``email`` selects one employee; ``attributes[]`` selects attributes, always with ``id``.
- Employees of all statuses are listed, in an order without meaning.
"""

import pytest

from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, extract_ids


async def test_page_without_parameters_has_50_employees(personio: PersonioSandbox) -> None:
    """The vendor documents 50 as the default limit."""
    page = await personio.list_page()

    assert page["offset"] == 0
    assert page["limit"] == 50
    assert len(page["data"]) == 50


async def test_limit_above_100_is_rejected_or_capped(personio: PersonioSandbox) -> None:
    """The vendor does not document the behaviour, so a switch selects it."""
    rejected = await personio.http.get(f"{EMPLOYEES}?limit=101")

    assert rejected.status_code == 422
    assert rejected.json()["error"]["message"] == "The limit must be between 1 and 100."

    await personio.call_control("PATCH", "/behaviour", {"above_maximum_limit": "cap"})

    assert (await personio.list_page("?limit=101"))["limit"] == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=ten", "offset=-1", "offset=x", "updated_since=soon"])
async def test_invalid_parameter_is_422(personio: PersonioSandbox, query: str) -> None:
    """Numbers out of range, text instead of numbers, and invalid dates are rejected."""
    assert (await personio.http.get(f"{EMPLOYEES}?{query}")).status_code == 422


async def test_offset_counts_records_and_pages_cover_all_employees(personio: PersonioSandbox) -> None:
    """All pages together list each employee once."""
    pages = [await personio.list_page(f"?limit=7&offset={offset}") for offset in range(0, 70, 7)]
    ids = [employee for page in pages for employee in extract_ids(page)]

    assert sorted(ids) == sorted(employee.id for employee in personio.state.company.list_employees())
    assert extract_ids(await personio.list_page("?limit=2&offset=6")) == [ids[6], ids[7]]


async def test_metadata_is_consistent_on_every_page(personio: PersonioSandbox) -> None:
    """Total, page number, number of pages, offset and limit agree."""
    total = len(personio.state.company)
    for offset in (0, 20, 40, 60):
        page = await personio.list_page(f"?limit=20&offset={offset}")

        assert page["metadata"] == {
            "total_elements": total,
            "current_page": offset // 20,
            "total_pages": -(-total // 20),
        }
        assert page["offset"] == offset
        assert page["limit"] == 20


async def test_page_beyond_the_end_is_empty(personio: PersonioSandbox) -> None:
    """An offset beyond the total returns an empty page, not an error."""
    assert (await personio.list_page("?offset=1000"))["data"] == []


async def test_email_selects_one_employee_in_any_letter_case(personio: PersonioSandbox) -> None:
    """The filter ignores the letter case of the address."""
    employee = personio.state.company.list_employees()[3]
    page = await personio.list_page(f"?email={employee.email.upper()}")

    assert extract_ids(page) == [employee.id]
    assert page["metadata"] == {"total_elements": 1, "current_page": 0, "total_pages": 1}


async def test_unknown_email_selects_an_empty_list(personio: PersonioSandbox) -> None:
    """An address without an employee is not an error."""
    page = await personio.list_page("?email=unknown@nordlicht.example")

    assert page["data"] == []
    assert page["metadata"]["total_elements"] == 0


async def test_attributes_parameter_selects_attributes_and_id(personio: PersonioSandbox) -> None:
    """Unknown attributes are ignored, and the id is always returned."""
    page = await personio.list_page("?attributes[]=first_name&attributes[]=last_name&attributes[]=no_such_thing")

    assert {frozenset(employee["attributes"]) for employee in page["data"]} == {
        frozenset({"id", "first_name", "last_name"})
    }


async def test_list_contains_employees_of_all_statuses(personio: PersonioSandbox) -> None:
    """The list includes employees that have left or have not started."""
    employees = await personio.list_attributes()

    assert {employee["status"]["value"] for employee in employees.values()} == {
        "onboarding",
        "active",
        "leave",
        "inactive",
    }


async def test_list_order_is_stable_but_not_by_id(personio: PersonioSandbox) -> None:
    """Clients must not rely on an order, because the vendor documents none."""
    first = extract_ids(await personio.list_page("?limit=100"))

    assert first != sorted(first)
    assert extract_ids(await personio.list_page("?limit=100")) == first


async def test_some_supervisors_are_listed_after_their_reports(personio: PersonioSandbox) -> None:
    """Clients must accept an employee before its supervisor."""
    indexes = {employee.id: index for index, employee in enumerate(personio.state.company.list_employees())}
    later = [
        employee.id
        for employee in personio.state.company.list_employees()
        if employee.supervisor is not None and indexes[employee.supervisor] > indexes[employee.id]
    ]

    assert 0 < len(later) < len(indexes)


async def test_journal_records_the_identification_headers(personio: PersonioSandbox) -> None:
    """The vendor asks integrations for two headers, and the journal shows their values."""
    headers = {"X-Personio-App-ID": "DECLAREE_SYNC", "X-Personio-Partner-ID": "DECLAREE"}
    await personio.http.get(f"{EMPLOYEES}?limit=1", headers=headers)

    entry = (await personio.call_control("GET", "/requests"))["requests"][-1]

    assert entry["app_id"] == "DECLAREE_SYNC"
    assert entry["partner_id"] == "DECLAREE"
