"""The ``updated_since`` parameter.

- A time or a date without a zone. Changes strictly after it are reported.
- Only readable attributes count; ``attributes[]`` limits them further. ``email`` is ignored.
- The result is paged. Delayed, repeated and missing changes can be switched on.
"""

from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, extract_ids

TODAY = "2026-03-02"


async def test_updated_since_without_changes_is_empty(personio: PersonioSandbox) -> None:
    """Without changes since the date the list is empty."""
    page = await personio.list_page(f"?updated_since={TODAY}")

    assert page["data"] == []
    assert page["metadata"]["total_elements"] == 0


async def test_updated_since_an_early_date_lists_all_employees(personio: PersonioSandbox) -> None:
    """The creation of an employee counts as a change."""
    page = await personio.list_page("?updated_since=1990-01-01")

    assert page["metadata"]["total_elements"] == len(personio.state.company)


async def test_updated_since_accepts_both_forms_and_is_strict(personio: PersonioSandbox) -> None:
    """A day and a time are accepted, and a change at exactly that time is not reported."""
    employee_id = await personio.change_employee(5, position="Lotse")

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [employee_id]
    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T11:59:59")) == [employee_id]
    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T12:00:00")) == []


async def test_updated_since_reports_a_new_employee(personio: PersonioSandbox) -> None:
    """A new employee is reported without a later change."""
    hired = await personio.call_control("POST", "/employees", {"first_name": "Ada"})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [hired["id"]]


async def test_updated_since_ignores_attributes_outside_whitelist(personio: PersonioSandbox) -> None:
    """A change of an attribute that the credential may not read is not reported."""
    await personio.call_control("PATCH", "/whitelist", {"remove": ["position"]})
    await personio.change_employee(5, position="Lotse")

    other = await personio.change_employee(6, team=None, first_name="Lotte")

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [other]


async def test_updated_since_with_attributes_limits_the_changes(personio: PersonioSandbox) -> None:
    """Together with attributes[], only changes of these attributes are reported."""
    await personio.change_employee(5, position="Lotse")
    renamed = await personio.change_employee(6, first_name="Lotte")

    page = await personio.list_page(f"?updated_since={TODAY}&attributes[]=first_name&attributes[]=last_name")

    assert extract_ids(page) == [renamed]
    assert page["data"][0]["attributes"].keys() == {"id", "first_name", "last_name"}


async def test_updated_since_ignores_a_write_of_the_same_value(personio: PersonioSandbox) -> None:
    """A write without a difference is not a change."""
    employee = personio.state.company.list_employees()[0]
    await personio.call_control("PATCH", f"/employees/{employee.id}", {"first_name": employee.values["first_name"]})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == []


async def test_updated_since_overrides_the_email_filter(personio: PersonioSandbox) -> None:
    """The vendor documents that email has no effect together with updated_since."""
    employee_id = await personio.change_employee(5, position="Lotse")
    page = await personio.list_page(f"?updated_since={TODAY}&email=unknown@nordlicht.example")

    assert extract_ids(page) == [employee_id]


async def test_updated_since_result_is_paged(personio: PersonioSandbox) -> None:
    """Limit, offset and metadata apply to the changed employees."""
    changed = {await personio.change_employee(number, position="Lotse") for number in range(5)}
    pages = [await personio.list_page(f"?updated_since={TODAY}&limit=2&offset={offset}") for offset in (0, 2, 4)]

    assert [len(page["data"]) for page in pages] == [2, 2, 1]
    assert {employee for page in pages for employee in extract_ids(page)} == changed
    assert {page["metadata"]["total_pages"] for page in pages} == {3}


async def test_updated_since_without_zone_uses_the_switch(personio: PersonioSandbox) -> None:
    """The vendor does not document the zone, so a switch selects it; a zone in the value takes precedence."""
    employee_id = await personio.change_employee(5, position="Lotse")
    await personio.call_control("PATCH", "/behaviour", {"updated_since_zone_minutes": 60})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T12:59:59")) == [employee_id]
    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T13:00:00")) == []
    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T11:59:59Z")) == [employee_id]


async def test_updated_since_can_report_changes_with_a_delay(personio: PersonioSandbox) -> None:
    """The vendor's filter is eventually consistent, so a change can appear later."""
    await personio.call_control("PATCH", "/behaviour", {"visibility_delay_seconds": 300})
    employee_id = await personio.change_employee(5, position="Lotse")

    personio.advance_clock(seconds=299)

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == []

    personio.advance_clock(seconds=1)

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [employee_id]


async def test_updated_since_can_repeat_older_changes(personio: PersonioSandbox) -> None:
    """A switch reports changes before the specified time as well."""
    employee_id = await personio.change_employee(5, position="Lotse")
    await personio.call_control("PATCH", "/behaviour", {"repeats_seconds": 3600})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}T12:45:00")) == [employee_id]


async def test_updated_since_can_miss_changes(personio: PersonioSandbox) -> None:
    """A missed employee is still returned by its id, so only a complete scan is reliable."""
    employee_id = await personio.change_employee(5, position="Lotse")
    await personio.call_control("PATCH", "/behaviour", {"misses_every": employee_id})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == []
    assert (await personio.http.get(f"{EMPLOYEES}/{employee_id}")).status_code == 200
