"""What of an employee can be seen, and in which form.

The boxes: whitelist per credential, key absent with HTTP 200, changeable at run time · ``GET .../{id}`` with 404 in German and
a trailing blank · ``/attributes`` and its alias, without ``id``, with ``options`` · profile picture 404 · value variety: null,
``""``, ``[]``, missing keys, tags in both encodings, hours as text, dates with offsets (historical ones too), plain dates,
translated labels, ``universal_id`` null, embedded names that follow a rename.
"""

import json
from typing import Any

import pytest

from sandbox.personio.catalogue import ALL_KEYS, BIRTHDAY, DEFAULT_WHITELIST, PROFILE_LINK, SKILLS, TRAVEL_GROUP
from tests.sandbox.personio.stage import EMPLOYEES, Stage, golden, staged


async def test_what_is_not_released_is_absent_with_status_200(stage: Stage) -> None:
    await stage.control("PUT", "/whitelist", {"attributes": ["first_name", "last_name", "email"]})
    people = await stage.everybody()
    assert {frozenset(person) for person in people.values()} == {frozenset({"id", "first_name", "last_name", "email"})}
    single = await stage.http.get(f"{EMPLOYEES}/{next(iter(people))}")
    assert single.json()["data"]["attributes"].keys() == {"id", "first_name", "last_name", "email"}


async def test_the_whitelist_can_be_changed_while_the_token_lives(stage: Stage) -> None:
    await stage.control("PATCH", "/whitelist", {"remove": ["office"]})
    assert "office" not in (await stage.listed("?limit=1"))["data"][0]["attributes"]
    await stage.control("PATCH", "/whitelist", {"add": ["office"]})
    assert "office" in (await stage.listed("?limit=1"))["data"][0]["attributes"]


async def test_each_credential_has_its_own_whitelist(stage: Stage) -> None:
    narrow = {"client_id": "second", "client_secret": "s"}
    await stage.control("POST", "/credentials", {**narrow, "attributes": ["email"]})
    wide = (await stage.listed("?limit=1"))["data"][0]["attributes"]
    token = (await stage.http.post("/v1/auth", json=narrow)).json()["data"]["token"]
    answer = await stage.http.get(f"{EMPLOYEES}?limit=1", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["data"][0]["attributes"].keys() == {"id", "email"}
    assert wide.keys() > {"id", "email"}


async def test_the_attributes_are_listed_without_id_and_with_options(stage: Stage) -> None:
    answer = await stage.http.get(f"{EMPLOYEES}/attributes")
    listed = {each["key"]: each for each in answer.json()["data"]}
    assert listed.keys() == ALL_KEYS - {"id"}
    assert "Vertrieb" in listed[TRAVEL_GROUP]["options"]
    assert (listed[SKILLS]["type"], listed[SKILLS]["universal_id"]) == ("tags", None)
    assert (await stage.http.get(f"{EMPLOYEES}/custom-attributes")).json() == answer.json()


async def test_the_attributes_listed_are_those_released(stage: Stage) -> None:
    await stage.control("PUT", "/whitelist", {"attributes": ["email", "status"]})
    answer = await stage.http.get(f"{EMPLOYEES}/attributes")
    assert [each["key"] for each in answer.json()["data"]] == ["email", "status"]


async def test_a_single_employee_is_the_same_object_as_in_the_list(stage: Stage) -> None:
    listed = (await stage.listed("?limit=1"))["data"][0]
    answer = await stage.http.get(f"{EMPLOYEES}/{listed['attributes']['id']['value']}")
    assert answer.json() == {"success": True, "data": listed}


async def test_an_unknown_employee_is_404_in_german_with_a_trailing_blank(stage: Stage) -> None:
    answer = await stage.http.get(f"{EMPLOYEES}/999999")
    assert (answer.status_code, answer.json()) == (404, golden("employee-get-404"))


async def test_a_profile_picture_is_404(stage: Stage) -> None:
    answer = await stage.http.get(f"{EMPLOYEES}/1/profile-picture/75")
    assert (answer.status_code, answer.json()) == (404, golden("picture-404"))


async def _values(employees: int = 800) -> dict[str, list[Any]]:
    """Every value of every attribute in a larger company; ``MISSING`` where the key is."""
    async with staged(employees) as stage:
        await stage.log_in()
        people = await stage.everybody()
    return {
        key: [person[key]["value"] if key in person else "MISSING" for person in people.values()] for key in ALL_KEYS
    }


@pytest.fixture(scope="module")
async def values() -> dict[str, list[Any]]:
    return await _values()


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
def test_an_empty_value_has_several_forms(values: dict[str, list[Any]], key: str, forms: list[Any]) -> None:
    assert [form for form in forms if form not in values[key]] == []


def test_tags_come_in_two_encodings(values: dict[str, list[Any]]) -> None:
    filled = [value for value in values[SKILLS] if value]
    as_lists = [json.loads(value) for value in filled if value.startswith("[")]
    as_text = [value.split(",") for value in filled if not value.startswith("[")]
    assert any(len(each) > 1 for each in as_lists)
    assert any(len(each) > 1 for each in as_text)


def test_weekly_hours_are_text_or_a_number(values: dict[str, list[Any]]) -> None:
    assert {type(value) for value in values["weekly_working_hours"]} == {str, int}


def test_dates_are_local_midnight_with_the_offset_of_the_day(values: dict[str, list[Any]]) -> None:
    assert {value[10:] for value in values["hire_date"]} == {"T00:00:00+01:00", "T00:00:00+02:00"}
    assert "T00:00:00+00:53" in {value[10:] for value in values[BIRTHDAY]}


def test_custom_dates_can_be_plain(values: dict[str, list[Any]]) -> None:
    assert {len(value) for value in values["dynamic_33400"]} == {10}


async def test_labels_can_be_german_and_custom_ones_stay(stage: Stage) -> None:
    english = (await stage.listed("?limit=1"))["data"][0]["attributes"]
    await stage.control("PATCH", "/behaviour", {"language": "de"})
    german = (await stage.listed("?limit=1"))["data"][0]["attributes"]
    assert (english["first_name"]["label"], german["first_name"]["label"]) == ("First name", "Vorname")
    assert english[TRAVEL_GROUP] == german[TRAVEL_GROUP]


async def test_a_supervisor_has_an_id_only_or_name_and_email_too(stage: Stage) -> None:
    person = next(person for person in stage.state.company.listed() if person.supervisor is not None)
    path = f"{EMPLOYEES}/{person.id}"
    short = (await stage.http.get(path)).json()["data"]["attributes"]["supervisor"]["value"]
    assert short["attributes"].keys() == {"id"}
    await stage.control("PATCH", "/behaviour", {"supervisor": "short"})
    await stage.control("POST", f"/employees/{person.supervisor}/rename", {"last_name": "Neuername"})
    full = (await stage.http.get(path)).json()["data"]["attributes"]["supervisor"]["value"]
    assert full["attributes"].keys() == {"id", "first_name", "last_name", "email"}
    assert full["attributes"]["last_name"]["value"] == "Neuername"


async def test_embedded_names_follow_a_rename_and_nobody_counts_as_modified(stage: Stage) -> None:
    person = next(person for person in stage.state.company.listed() if isinstance(person.values["office"], int))
    before = (await stage.http.get(f"{EMPLOYEES}/{person.id}")).json()["data"]["attributes"]
    await stage.control("PATCH", f"/units/office/{person.values['office']}", {"name": "Neustadt"})
    after = (await stage.http.get(f"{EMPLOYEES}/{person.id}")).json()["data"]["attributes"]
    assert after["office"]["value"]["attributes"] == {"id": person.values["office"], "name": "Neustadt"}
    assert after["last_modified_at"] == before["last_modified_at"]


def test_the_default_credential_reads_no_salaries() -> None:
    assert DEFAULT_WHITELIST.isdisjoint({"fix_salary", "hourly_salary"})
    assert {"first_name", "last_name", "email", "status"} <= DEFAULT_WHITELIST
