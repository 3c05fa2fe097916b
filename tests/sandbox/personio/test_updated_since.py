"""The ``updated_since`` parameter.

The boxes: naive ISO form and date form · strictly after · released attributes only · with ``attributes[]`` a selection ·
``email`` ignored · paged · delayed visibility, repeats and misses on demand.
"""

from tests.sandbox.personio.stage import EMPLOYEES, Stage, ids

TODAY = "2026-03-02"


async def _changed(stage: Stage, number: int, **attributes: object) -> int:
    """The id of the person of this number after the change."""
    employee_id = sorted(person.id for person in stage.state.company.listed())[number]
    await stage.control("PATCH", f"/employees/{employee_id}", attributes)
    return employee_id


async def test_nobody_is_reported_when_nothing_changed(stage: Stage) -> None:
    page = await stage.listed(f"?updated_since={TODAY}")
    assert (page["data"], page["metadata"]["total_elements"]) == ([], 0)


async def test_an_early_date_reports_everybody(stage: Stage) -> None:
    page = await stage.listed("?updated_since=1990-01-01")
    assert page["metadata"]["total_elements"] == len(stage.state.company)


async def test_both_forms_are_read_and_the_moment_itself_is_not_reported(stage: Stage) -> None:
    employee_id = await _changed(stage, 5, position="Lotse")
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == [employee_id]
    assert ids(await stage.listed(f"?updated_since={TODAY}T11:59:59")) == [employee_id]
    assert ids(await stage.listed(f"?updated_since={TODAY}T12:00:00")) == []


async def test_a_newcomer_is_reported(stage: Stage) -> None:
    hired = await stage.control("POST", "/employees", {"first_name": "Ada"})
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == [hired["id"]]


async def test_a_change_of_an_attribute_that_is_not_released_is_not_reported(stage: Stage) -> None:
    await stage.control("PATCH", "/whitelist", {"remove": ["position"]})
    await _changed(stage, 5, position="Lotse")
    other = await _changed(stage, 6, team=None, first_name="Lotte")
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == [other]


async def test_attributes_select_whom_one_of_them_changed(stage: Stage) -> None:
    await _changed(stage, 5, position="Lotse")
    renamed = await _changed(stage, 6, first_name="Lotte")
    page = await stage.listed(f"?updated_since={TODAY}&attributes[]=first_name&attributes[]=last_name")
    assert ids(page) == [renamed]
    assert page["data"][0]["attributes"].keys() == {"id", "first_name", "last_name"}


async def test_writing_the_same_value_again_is_no_change(stage: Stage) -> None:
    person = stage.state.company.listed()[0]
    await stage.control("PATCH", f"/employees/{person.id}", {"first_name": person.values["first_name"]})
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == []


async def test_the_email_filter_is_ignored_beside_it(stage: Stage) -> None:
    employee_id = await _changed(stage, 5, position="Lotse")
    page = await stage.listed(f"?updated_since={TODAY}&email=nobody@nordlicht.example")
    assert ids(page) == [employee_id]


async def test_the_result_is_paged(stage: Stage) -> None:
    changed = {await _changed(stage, number, position="Lotse") for number in range(5)}
    pages = [await stage.listed(f"?updated_since={TODAY}&limit=2&offset={offset}") for offset in (0, 2, 4)]
    assert [len(page["data"]) for page in pages] == [2, 2, 1]
    assert {employee for page in pages for employee in ids(page)} == changed
    assert {page["metadata"]["total_pages"] for page in pages} == {3}


async def test_the_zone_of_a_naive_moment_can_be_chosen(stage: Stage) -> None:
    employee_id = await _changed(stage, 5, position="Lotse")
    await stage.control("PATCH", "/behaviour", {"updated_since_zone_minutes": 60})
    assert ids(await stage.listed(f"?updated_since={TODAY}T12:59:59")) == [employee_id]
    assert ids(await stage.listed(f"?updated_since={TODAY}T13:00:00")) == []
    assert ids(await stage.listed(f"?updated_since={TODAY}T11:59:59Z")) == [employee_id]


async def test_a_change_can_stay_invisible_for_a_while(stage: Stage) -> None:
    await stage.control("PATCH", "/behaviour", {"visibility_delay_seconds": 300})
    employee_id = await _changed(stage, 5, position="Lotse")
    stage.pass_time(seconds=299)
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == []
    stage.pass_time(seconds=1)
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == [employee_id]


async def test_older_changes_can_be_repeated(stage: Stage) -> None:
    employee_id = await _changed(stage, 5, position="Lotse")
    await stage.control("PATCH", "/behaviour", {"repeats_seconds": 3600})
    assert ids(await stage.listed(f"?updated_since={TODAY}T12:45:00")) == [employee_id]


async def test_changes_can_be_missed(stage: Stage) -> None:
    employee_id = await _changed(stage, 5, position="Lotse")
    await stage.control("PATCH", "/behaviour", {"misses_every": employee_id})
    assert ids(await stage.listed(f"?updated_since={TODAY}")) == []
    assert (await stage.http.get(f"{EMPLOYEES}/{employee_id}")).status_code == 200
