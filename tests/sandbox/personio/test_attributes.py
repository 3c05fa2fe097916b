"""Visibility and form of the attributes of an employee.

- The whitelist per credential: other attributes are absent with status 200, and the whitelist can change at run time.
- ``/employees/{id}``: status 404 in German with a trailing space. The profile picture is always 404.
- ``/attributes`` and its alias: without ``id``, with ``options``.
- Empty values: null, ``""``, ``[]`` and absent keys.
- Encodings: two for tags, working hours as strings, dates with offsets (historical ones too), plain dates.
- Labels in two languages, ``universal_id`` null, and nested names that follow a rename.
"""

import json
from typing import Any

import pytest

from sandbox.personio.catalogue import ALL_KEYS, BIRTHDAY, DEFAULT_WHITELIST, PROFILE_LINK, SKILLS, TRAVEL_GROUP
from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, load_golden, run_sandbox


async def test_attribute_outside_whitelist_is_absent_with_status_200(personio: PersonioSandbox) -> None:
    """An attribute that the credential may not read is absent from list and single employee, without an error."""
    await personio.call_control("PUT", "/whitelist", {"attributes": ["first_name", "last_name", "email"]})
    employees = await personio.list_attributes()

    assert {frozenset(employee) for employee in employees.values()} == {
        frozenset({"id", "first_name", "last_name", "email"})
    }

    single = await personio.http.get(f"{EMPLOYEES}/{next(iter(employees))}")

    assert single.json()["data"]["attributes"].keys() == {"id", "first_name", "last_name", "email"}


async def test_whitelist_change_applies_to_the_current_token(personio: PersonioSandbox) -> None:
    """An administrator changes the whitelist at run time, so a valid token shows the change at once."""
    await personio.call_control("PATCH", "/whitelist", {"remove": ["office"]})

    assert "office" not in (await personio.list_page("?limit=1"))["data"][0]["attributes"]

    await personio.call_control("PATCH", "/whitelist", {"add": ["office"]})

    assert "office" in (await personio.list_page("?limit=1"))["data"][0]["attributes"]


async def test_credentials_have_separate_whitelists(personio: PersonioSandbox) -> None:
    """A second credential with a narrow whitelist does not affect the first one."""
    narrow = {"client_id": "second", "client_secret": "s"}
    await personio.call_control("POST", "/credentials", {**narrow, "attributes": ["email"]})
    wide = (await personio.list_page("?limit=1"))["data"][0]["attributes"]
    token = (await personio.http.post("/v1/auth", json=narrow)).json()["data"]["token"]

    response = await personio.http.get(f"{EMPLOYEES}?limit=1", headers={"authorization": f"Bearer {token}"})

    assert response.json()["data"][0]["attributes"].keys() == {"id", "email"}
    assert wide.keys() > {"id", "email"}


async def test_attributes_endpoint_omits_id_and_lists_options(personio: PersonioSandbox) -> None:
    """Both paths of the attributes endpoint return all attributes except the id, with the options of lists."""
    response = await personio.http.get(f"{EMPLOYEES}/attributes")
    attributes = {attribute["key"]: attribute for attribute in response.json()["data"]}

    assert attributes.keys() == ALL_KEYS - {"id"}
    assert "Vertrieb" in attributes[TRAVEL_GROUP]["options"]
    assert attributes[SKILLS]["type"] == "tags"
    assert attributes[SKILLS]["universal_id"] is None
    assert (await personio.http.get(f"{EMPLOYEES}/custom-attributes")).json() == response.json()


async def test_attributes_endpoint_lists_the_whitelist_only(personio: PersonioSandbox) -> None:
    """The attributes endpoint lists only the attributes that the credential may read."""
    await personio.call_control("PUT", "/whitelist", {"attributes": ["email", "status"]})
    response = await personio.http.get(f"{EMPLOYEES}/attributes")

    assert [attribute["key"] for attribute in response.json()["data"]] == ["email", "status"]


async def test_single_employee_equals_its_list_entry(personio: PersonioSandbox) -> None:
    """The endpoint of one employee returns the same object as the list."""
    entry = (await personio.list_page("?limit=1"))["data"][0]
    response = await personio.http.get(f"{EMPLOYEES}/{entry['attributes']['id']['value']}")

    assert response.json() == {"success": True, "data": entry}


async def test_unknown_employee_is_404_in_german_with_trailing_space(personio: PersonioSandbox) -> None:
    """The vendor answers an unknown id in German with a trailing space."""
    response = await personio.http.get(f"{EMPLOYEES}/999999")

    assert response.status_code == 404
    assert response.json() == load_golden("employee-get-404")


async def test_profile_picture_is_404(personio: PersonioSandbox) -> None:
    """Employees of the sandbox have no profile pictures."""
    response = await personio.http.get(f"{EMPLOYEES}/1/profile-picture/75")

    assert response.status_code == 404
    assert response.json() == load_golden("picture-404")


@pytest.fixture(scope="module")
async def values() -> dict[str, list[Any]]:
    """Returns all values of each attribute in a larger company, with ``MISSING`` for an absent key."""
    async with run_sandbox(800) as personio:
        await personio.log_in()
        employees = await personio.list_attributes()
    return {
        key: [employee[key]["value"] if key in employee else "MISSING" for employee in employees.values()]
        for key in ALL_KEYS
    }


@pytest.mark.parametrize(
    ("key", "forms"),
    [
        ("termination_type", [None, ""]),
        ("termination_reason", [None, ""]),
        ("team", [None, "", []]),
        ("work_schedule", [None, "", []]),
        ("office", [None, ""]),
        ("cost_centers", [[]]),
        ("fix_salary_interval", [""]),
        (SKILLS, [None, ""]),
        (PROFILE_LINK, ["MISSING"]),
    ],
)
def test_empty_value_occurs_in_all_its_forms(values: dict[str, list[Any]], key: str, forms: list[Any]) -> None:
    """A large company contains each empty form of an attribute, because clients must accept them all."""
    assert [form for form in forms if form not in values[key]] == []


def test_tags_occur_in_two_encodings(values: dict[str, list[Any]]) -> None:
    """Tags occur as a JSON list in a string and as text separated by commas."""
    filled = [value for value in values[SKILLS] if value]
    as_lists = [json.loads(value) for value in filled if value.startswith("[")]
    as_text = [value.split(",") for value in filled if not value.startswith("[")]

    assert any(len(tags) > 1 for tags in as_lists)
    assert any(len(tags) > 1 for tags in as_text)


def test_weekly_hours_are_strings_or_integers(values: dict[str, list[Any]]) -> None:
    """The vendor's example has a string and its schema a number, so both occur."""
    assert {type(value) for value in values["weekly_working_hours"]} == {str, int}


def test_dates_have_the_offset_of_their_day(values: dict[str, list[Any]]) -> None:
    """Dates are local midnight with the offset of winter, summer or local mean time."""
    assert {value[10:] for value in values["hire_date"]} == {"T00:00:00+01:00", "T00:00:00+02:00"}
    assert "T00:00:00+00:53" in {value[10:] for value in values[BIRTHDAY]}


def test_custom_date_is_a_plain_day(values: dict[str, list[Any]]) -> None:
    """A custom date has no time and no offset."""
    assert {len(value) for value in values["dynamic_33400"]} == {10}


async def test_language_changes_labels_of_system_attributes_only(personio: PersonioSandbox) -> None:
    """The customer writes the labels of custom attributes, so the language does not change them."""
    english = (await personio.list_page("?limit=1"))["data"][0]["attributes"]
    await personio.call_control("PATCH", "/behaviour", {"language": "de"})

    german = (await personio.list_page("?limit=1"))["data"][0]["attributes"]

    assert english["first_name"]["label"] == "First name"
    assert german["first_name"]["label"] == "Vorname"
    assert english[TRAVEL_GROUP] == german[TRAVEL_GROUP]


async def test_supervisor_has_an_id_or_the_short_form(personio: PersonioSandbox) -> None:
    """The short form of a supervisor shows the supervisor's current name."""
    employee = next(employee for employee in personio.state.company.list_employees() if employee.supervisor is not None)
    path = f"{EMPLOYEES}/{employee.id}"

    short = (await personio.http.get(path)).json()["data"]["attributes"]["supervisor"]["value"]

    assert short["attributes"].keys() == {"id"}

    await personio.call_control("PATCH", "/behaviour", {"supervisor": "short"})
    await personio.call_control("POST", f"/employees/{employee.supervisor}/rename", {"last_name": "Neuername"})
    full = (await personio.http.get(path)).json()["data"]["attributes"]["supervisor"]["value"]

    assert full["attributes"].keys() == {"id", "first_name", "last_name", "email"}
    assert full["attributes"]["last_name"]["value"] == "Neuername"


async def test_unit_rename_changes_nested_name_without_modification(personio: PersonioSandbox) -> None:
    """Employees show the new name of their office, but do not count as modified."""
    employee = next(
        employee for employee in personio.state.company.list_employees() if isinstance(employee.values["office"], int)
    )
    before = (await personio.http.get(f"{EMPLOYEES}/{employee.id}")).json()["data"]["attributes"]
    await personio.call_control("PATCH", f"/units/office/{employee.values['office']}", {"name": "Neustadt"})

    after = (await personio.http.get(f"{EMPLOYEES}/{employee.id}")).json()["data"]["attributes"]

    assert after["office"]["value"]["attributes"] == {"id": employee.values["office"], "name": "Neustadt"}
    assert after["last_modified_at"] == before["last_modified_at"]


def test_default_credential_reads_no_salaries() -> None:
    """The default whitelist contains the master data but no salaries."""
    assert DEFAULT_WHITELIST.isdisjoint({"fix_salary", "hourly_salary"})
    assert {"first_name", "last_name", "email", "status"} <= DEFAULT_WHITELIST
