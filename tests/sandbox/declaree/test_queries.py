"""Filters, pages and the part of the attributes that is asked for."""

from typing import Any

import pytest

from tests.sandbox.declaree.stage import CORE, ENTERPRISE, Stage, people, refusal, user

BASIC = [
    ('userName eq "anna.berg@example.com"', ["1001"]),
    ('USERNAME EQ "ANNA.BERG@EXAMPLE.COM"', ["1001"]),
    ('externalId eq "2"', ["1002"]),
    ('externalId eq "2" and userName eq "ben@example.com"', ["1002"]),
    ('userName eq "anna.berg@example.com" AND externalId eq "2"', []),
    ('(userName eq "ben@example.com")', ["1002"]),
    ('userName eq "nobody@example.com"', []),
    ('externalId eq ""', []),
    ('userName eq "a\\"b\\\\c+d@example.com"', ["1003"]),
]
FULL = [
    ('name.familyName eq "berg"', ["1001"]),
    ('name.familyName ne "berg"', ["1002", "1003"]),
    ('userName co "EXAMPLE"', ["1001", "1002", "1003"]),
    ('userName sw "ben" or externalId eq "1"', ["1001", "1002"]),
    ("title pr", ["1002"]),
    ("not (title pr)", ["1001", "1003"]),
    ("active eq false", ["1003"]),
    ('emails[type eq "work" and value ew ".com"]', ["1001", "1002", "1003"]),
    ('emails co "ben@"', ["1002"]),
    ('emails.value eq "ben@example.com"', ["1002"]),
    (f'{ENTERPRISE}:costCenter eq "cc-1"', ["1001"]),
    (f'{CORE}:userName sw "anna"', ["1001"]),
    ('id eq "1002"', ["1002"]),
    ('meta.lastModified gt "2026-01-01T00:00:00Z" and title pr', ["1002"]),
    ('meta.resourceType eq "Group"', []),
    ('title eq "x" or userName sw "ben" and active eq false', []),
    ('(title eq "x" or userName sw "ben") and active eq true', ["1002"]),
]
UNREADABLE = [
    "",
    "userName",
    "userName eq",
    "userName eq anna",
    'userName is "anna"',
    'userName eq "anna" and',
    'userName eq "anna" externalId eq "1"',
    '(userName eq "anna"',
    'userName eq "anna)',
    'not userName eq "anna"',
    'emails[type eq "work"',
    '1a eq "x"',
    "and",
]


@pytest.fixture
async def three(stage: Stage) -> Stage:
    """Accounts 1001 to 1003."""
    await stage.create(user(externalId="1", **{ENTERPRISE: {"costCenter": "CC-1"}}))
    ben = {"givenName": "Ben", "familyName": "Klein"}
    await stage.create(user("ben@example.com", externalId="2", title="Dr.", name=ben))
    await stage.create(user('a"b\\c+d@example.com', externalId="3", name=ben, active=False))
    return stage


@pytest.mark.parametrize(("expression", "expected"), BASIC)
async def test_identifying_attributes_can_be_searched(three: Stage, expression: str, expected: list[str]) -> None:
    assert await three.found(expression) == expected
    three.behave(filters="full")
    assert await three.found(expression) == expected


@pytest.mark.parametrize(("expression", "expected"), FULL)
async def test_other_filters_need_the_full_grammar(three: Stage, expression: str, expected: list[str]) -> None:
    answer = await three.http.get("/SCIM/v2/Users", params={"filter": expression})
    assert refusal(answer) == (400, "invalidFilter")
    three.behave(filters="full")
    assert await three.found(expression) == expected


@pytest.mark.parametrize("filters", ["basic", "full"])
@pytest.mark.parametrize(
    "expression", [*UNREADABLE, 'shoeSize eq "42"', 'name.nick eq "x"', 'id.x eq "1"', "active gt true"]
)
async def test_what_is_no_filter_is_refused(three: Stage, filters: str, expression: str) -> None:
    three.behave(filters=filters)
    answer = await three.http.get("/SCIM/v2/Users", params={"filter": expression})
    assert refusal(answer) == (400, "invalidFilter")


async def test_external_ids_may_not_be_searchable(three: Stage) -> None:
    three.behave(external_id_filter=False)
    answer = await three.http.get("/SCIM/v2/Users", params={"filter": 'externalId eq "1"'})
    assert refusal(answer) == (400, "invalidFilter")
    assert await three.found('userName eq "ben@example.com"') == ["1002"]


async def test_a_raw_plus_in_the_address_means_a_space(three: Stage) -> None:
    await three.create(user("e+mp@example.com"))
    assert (await three.get('/Users?filter=userName%20eq%20"e+mp@example.com"'))["totalResults"] == 0
    assert (await three.get('/Users?filter=userName%20eq%20"e%2Bmp@example.com"'))["totalResults"] == 1


async def test_new_accounts_may_be_found_late(three: Stage) -> None:
    three.behave(search_lag_seconds=5)
    assert await three.found('externalId eq "1"') == []
    assert (await three.get("/Users"))["totalResults"] == 0
    assert (await three.get("/Users/1001"))["externalId"] == "1"
    three.clock.move(seconds=5)
    assert await three.found('externalId eq "1"') == ["1001"]


# ---------------------------------------------------------------- pages


def _page(answer: Any) -> tuple[int, int, int, list[str]]:
    numbers = [resource["externalId"] for resource in answer["Resources"]]
    return answer["totalResults"], answer["startIndex"], answer["itemsPerPage"], numbers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (7, 1, 5, ["1", "2", "3", "4", "5"])),
        ("?startIndex=3&count=2", (7, 3, 2, ["3", "4"])),
        ("?startIndex=1&count=2", (7, 1, 2, ["1", "2"])),
        ("?startIndex=0&count=1", (7, 1, 1, ["1"])),
        ("?startIndex=-4&count=1", (7, 1, 1, ["1"])),
        ("?startIndex=6&count=100", (7, 6, 2, ["6", "7"])),
        ("?startIndex=2&count=100", (7, 2, 5, ["2", "3", "4", "5", "6"])),
        ("?startIndex=100", (7, 100, 0, [])),
        ("?count=0", (7, 1, 0, [])),
        ("?count=-3", (7, 1, 0, [])),
    ],
)
async def test_pages_are_counted_from_1_and_no_longer_than_the_server_wants(
    stage: Stage, query: str, expected: tuple[int, int, int, list[str]]
) -> None:
    stage.behave(max_page_size=5)
    for body in people(7):
        await stage.create(body)
    assert _page(await stage.get(f"/Users{query}")) == expected


async def test_pages_of_a_filter(three: Stage) -> None:
    three.behave(filters="full")
    answer = await three.get("/Users?filter=userName%20pr&startIndex=2&count=1")
    assert _page(answer) == (3, 2, 1, ["2"])


async def test_the_start_may_be_ignored(stage: Stage) -> None:
    for body in people(3):
        await stage.create(body)
    stage.behave(ignore_start_index=True)
    assert _page(await stage.get("/Users?startIndex=3&count=2")) == (3, 1, 2, ["1", "2"])


@pytest.mark.parametrize("query", ["?startIndex=one", "?count=many", "?count="])
async def test_numbers_that_are_none_are_refused(stage: Stage, query: str) -> None:
    assert refusal(await stage.scim("GET", f"/Users{query}")) == (400, "invalidValue")


# ---------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("attributes=userName", {"userName"}),
        ("attributes=USERNAME,name.familyName", {"userName", "name"}),
        (f"attributes={ENTERPRISE}:costCenter", {ENTERPRISE}),
        (f"attributes={CORE}:active", {"active"}),
        ("attributes=shoeSize", set()),
        (f"excludedAttributes=name,emails,meta,active,id,{ENTERPRISE}", {"userName", "externalId"}),
    ],
)
async def test_a_part_of_the_attributes_can_be_asked_for(three: Stage, query: str, expected: set[str]) -> None:
    single = await three.get(f"/Users/1001?{query}")
    (listed,) = (await three.get(f"/Users?count=1&{query}"))["Resources"]
    assert single.keys() == listed.keys() == expected | {"schemas", "id"}


async def test_parts_of_complex_and_multi_valued_attributes(three: Stage) -> None:
    found = await three.get("/Users/1001?attributes=name.givenName,emails.value")
    assert (found["name"], found["emails"]) == ({"givenName": "Anna"}, [{"value": "anna.berg@example.com"}])
    rest = await three.get("/Users/1001?excludedAttributes=name.givenName,emails.type,emails.primary")
    assert (rest["name"], rest["emails"]) == ({"familyName": "Berg"}, [{"value": "anna.berg@example.com"}])


# ---------------------------------------------------------------- .search


async def test_a_search_by_post_may_exist(three: Stage) -> None:
    three.behave(search=True)
    body = {"filter": 'userName eq "ben@example.com"', "attributes": ["externalId"], "startIndex": 1, "count": 9}
    answer = await three.scim("POST", "/Users/.search", body)
    assert _page(answer.json()) == (1, 1, 1, ["2"])
    assert answer.json()["Resources"] == [{"schemas": [CORE], "id": "1002", "externalId": "2"}]
    assert refusal(await three.scim("GET", "/Users/.search")) == (405, None)
    for wrong in ({"filter": 7}, {"attributes": [7]}):
        assert refusal(await three.scim("POST", "/Users/.search", wrong)) == (400, "invalidSyntax")
