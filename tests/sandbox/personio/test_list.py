"""``GET /v1/company/employees``: paging and selection.

The boxes: default 50, at most 100 · record offset · ``current_page`` from 0 · consistent metadata, ``offset`` and ``limit``
echoed · ``email`` · ``attributes[]`` as projection, ``id`` always · inactive people included · no order to rely on.
"""

import pytest

from tests.sandbox.personio.stage import EMPLOYEES, Stage, ids


async def test_without_parameters_a_page_has_50(stage: Stage) -> None:
    page = await stage.listed()
    assert (page["offset"], page["limit"], len(page["data"])) == (0, 50, 50)


async def test_a_limit_above_100_is_refused_or_capped(stage: Stage) -> None:
    refused = await stage.http.get(f"{EMPLOYEES}?limit=101")
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "The limit must be between 1 and 100."
    await stage.control("PATCH", "/behaviour", {"above_maximum_limit": "cap"})
    assert (await stage.listed("?limit=101"))["limit"] == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=ten", "offset=-1", "offset=x", "updated_since=soon"])
async def test_parameters_that_make_no_sense_are_422(stage: Stage, query: str) -> None:
    assert (await stage.http.get(f"{EMPLOYEES}?{query}")).status_code == 422


async def test_the_offset_counts_records_and_all_pages_together_have_everybody_once(stage: Stage) -> None:
    pages = [await stage.listed(f"?limit=7&offset={offset}") for offset in range(0, 70, 7)]
    seen = [employee for page in pages for employee in ids(page)]
    assert sorted(seen) == sorted(person.id for person in stage.state.company.listed())
    assert ids(await stage.listed("?limit=2&offset=6")) == [seen[6], seen[7]]


async def test_the_metadata_agree_with_each_other(stage: Stage) -> None:
    total = len(stage.state.company)
    for offset in (0, 20, 40, 60):
        page = await stage.listed(f"?limit=20&offset={offset}")
        assert page["metadata"] == {
            "total_elements": total,
            "current_page": offset // 20,
            "total_pages": -(-total // 20),
        }
        assert (page["offset"], page["limit"]) == (offset, 20)


async def test_beyond_the_end_a_page_is_empty(stage: Stage) -> None:
    assert (await stage.listed("?offset=1000"))["data"] == []


async def test_email_selects_one_person_whatever_the_letter_case(stage: Stage) -> None:
    person = stage.state.company.listed()[3]
    page = await stage.listed(f"?email={person.email.upper()}")
    assert ids(page) == [person.id]
    assert page["metadata"] == {"total_elements": 1, "current_page": 0, "total_pages": 1}


async def test_an_unknown_email_gives_an_empty_list(stage: Stage) -> None:
    page = await stage.listed("?email=nobody@nordlicht.example")
    assert (page["data"], page["metadata"]["total_elements"]) == ([], 0)


async def test_attributes_are_a_projection_that_always_has_the_id(stage: Stage) -> None:
    page = await stage.listed("?attributes[]=first_name&attributes[]=last_name&attributes[]=no_such_thing")
    assert {frozenset(each["attributes"]) for each in page["data"]} == {frozenset({"id", "first_name", "last_name"})}


async def test_everybody_is_listed_whatever_their_status(stage: Stage) -> None:
    people = await stage.everybody()
    assert {person["status"]["value"] for person in people.values()} == {"onboarding", "active", "leave", "inactive"}


async def test_the_order_follows_nothing_but_stays(stage: Stage) -> None:
    first = ids(await stage.listed("?limit=100"))
    assert first != sorted(first)
    assert ids(await stage.listed("?limit=100")) == first


async def test_some_supervisors_come_later_in_the_list_than_their_reports(stage: Stage) -> None:
    places = {person.id: place for place, person in enumerate(stage.state.company.listed())}
    later = [
        person.id
        for person in stage.state.company.listed()
        if person.supervisor is not None and places[person.supervisor] > places[person.id]
    ]
    assert 0 < len(later) < len(places)


async def test_the_vendors_identification_headers_are_tolerated_and_noted(stage: Stage) -> None:
    headers = {"X-Personio-App-ID": "DECLAREE_SYNC", "X-Personio-Partner-ID": "DECLAREE"}
    await stage.http.get(f"{EMPLOYEES}?limit=1", headers=headers)
    noted = (await stage.control("GET", "/requests"))["requests"][-1]
    assert (noted["app_id"], noted["partner_id"]) == ("DECLAREE_SYNC", "DECLAREE")
