"""Filters, pages and the selection of attributes."""

from typing import Any

import pytest

from tests.sandbox.declaree.in_process import CORE, ENTERPRISE, DeclareeSandbox, build_user, build_users, read_error

BASIC = [
    ('userName eq "anna.berg@example.com"', ["1001"]),
    ('USERNAME EQ "ANNA.BERG@EXAMPLE.COM"', ["1001"]),
    ('externalId eq "2"', ["1002"]),
    ('externalId eq "2" and userName eq "ben@example.com"', ["1002"]),
    ('userName eq "anna.berg@example.com" AND externalId eq "2"', []),
    ('(userName eq "ben@example.com")', ["1002"]),
    ('userName eq "missing@example.com"', []),
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
async def filled_sandbox(sandbox: DeclareeSandbox) -> DeclareeSandbox:
    """A sandbox with the accounts 1001 to 1003."""
    await sandbox.create(build_user(externalId="1", **{ENTERPRISE: {"costCenter": "CC-1"}}))
    ben = {"givenName": "Ben", "familyName": "Klein"}
    await sandbox.create(build_user("ben@example.com", externalId="2", title="Dr.", name=ben))
    await sandbox.create(build_user('a"b\\c+d@example.com', externalId="3", name=ben, active=False))
    return sandbox


@pytest.mark.parametrize(("expression", "expected"), BASIC)
async def test_filter_on_identifying_attributes_is_supported(
    filled_sandbox: DeclareeSandbox, expression: str, expected: list[str]
) -> None:
    """The filters work with the basic and with the full grammar."""
    assert await filled_sandbox.find_ids(expression) == expected

    filled_sandbox.change_behaviour(filters="full")

    assert await filled_sandbox.find_ids(expression) == expected


@pytest.mark.parametrize(("expression", "expected"), FULL)
async def test_filter_of_the_full_grammar_needs_the_switch(
    filled_sandbox: DeclareeSandbox, expression: str, expected: list[str]
) -> None:
    """By default, only equality of identifying attributes is supported."""
    answer = await filled_sandbox.http.get("/SCIM/v2/Users", params={"filter": expression})

    assert read_error(answer) == (400, "invalidFilter")

    filled_sandbox.change_behaviour(filters="full")

    assert await filled_sandbox.find_ids(expression) == expected


@pytest.mark.parametrize("filters", ["basic", "full"])
@pytest.mark.parametrize(
    "expression", [*UNREADABLE, 'shoeSize eq "42"', 'name.nick eq "x"', 'id.x eq "1"', "active gt true"]
)
async def test_invalid_filter_is_rejected(filled_sandbox: DeclareeSandbox, filters: str, expression: str) -> None:
    """Invalid syntax and unknown attributes get invalidFilter, not an empty list."""
    filled_sandbox.change_behaviour(filters=filters)
    answer = await filled_sandbox.http.get("/SCIM/v2/Users", params={"filter": expression})

    assert read_error(answer) == (400, "invalidFilter")


async def test_filter_on_external_id_can_be_switched_off(filled_sandbox: DeclareeSandbox) -> None:
    """A client then has to look up accounts by user name."""
    filled_sandbox.change_behaviour(external_id_filter=False)
    answer = await filled_sandbox.http.get("/SCIM/v2/Users", params={"filter": 'externalId eq "1"'})

    assert read_error(answer) == (400, "invalidFilter")
    assert await filled_sandbox.find_ids('userName eq "ben@example.com"') == ["1002"]


async def test_unescaped_plus_in_a_query_means_a_space(filled_sandbox: DeclareeSandbox) -> None:
    """A client that forgets to escape a plus sign does not get the account."""
    await filled_sandbox.create(build_user("e+mp@example.com"))

    assert (await filled_sandbox.get('/Users?filter=userName%20eq%20"e+mp@example.com"'))["totalResults"] == 0
    assert (await filled_sandbox.get('/Users?filter=userName%20eq%20"e%2Bmp@example.com"'))["totalResults"] == 1


async def test_search_lag_hides_new_accounts_from_searches(filled_sandbox: DeclareeSandbox) -> None:
    """A search index can lag behind, while reading by id is always current."""
    filled_sandbox.change_behaviour(search_lag_seconds=5)

    assert await filled_sandbox.find_ids('externalId eq "1"') == []
    assert (await filled_sandbox.get("/Users"))["totalResults"] == 0
    assert (await filled_sandbox.get("/Users/1001"))["externalId"] == "1"

    filled_sandbox.clock.move(seconds=5)

    assert await filled_sandbox.find_ids('externalId eq "1"') == ["1001"]


# ---------------------------------------------------------------- pages


def _read_page(answer: Any) -> tuple[int, int, int, list[str]]:
    """Returns total, start index, page size and external ids of a list."""
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
async def test_pages_start_at_1_and_respect_the_maximum_size(
    sandbox: DeclareeSandbox, query: str, expected: tuple[int, int, int, list[str]]
) -> None:
    """Values out of range are corrected as RFC 7644, section 3.4.2.4 requires."""
    sandbox.change_behaviour(max_page_size=5)
    for body in build_users(7):
        await sandbox.create(body)

    assert _read_page(await sandbox.get(f"/Users{query}")) == expected


async def test_pages_apply_to_filtered_results(filled_sandbox: DeclareeSandbox) -> None:
    """The total counts the matches of the filter."""
    filled_sandbox.change_behaviour(filters="full")
    answer = await filled_sandbox.get("/Users?filter=userName%20pr&startIndex=2&count=1")

    assert _read_page(answer) == (3, 2, 1, ["2"])


async def test_ignored_start_index_returns_the_first_page(sandbox: DeclareeSandbox) -> None:
    """Some servers ignore the parameter, which clients must notice."""
    for body in build_users(3):
        await sandbox.create(body)
    sandbox.change_behaviour(ignore_start_index=True)

    assert _read_page(await sandbox.get("/Users?startIndex=3&count=2")) == (3, 1, 2, ["1", "2"])


@pytest.mark.parametrize("query", ["?startIndex=one", "?count=many", "?count="])
async def test_page_parameter_that_is_not_a_number_is_rejected(sandbox: DeclareeSandbox, query: str) -> None:
    """Invalid paging parameters get an error instead of a default."""
    assert read_error(await sandbox.request("GET", f"/Users{query}")) == (400, "invalidValue")


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
async def test_selected_attributes_are_returned(
    filled_sandbox: DeclareeSandbox, query: str, expected: set[str]
) -> None:
    """The selection applies to single resources and to lists; id and schemas always stay."""
    single = await filled_sandbox.get(f"/Users/1001?{query}")
    (listed_user,) = (await filled_sandbox.get(f"/Users?count=1&{query}"))["Resources"]

    assert single.keys() == listed_user.keys() == expected | {"schemas", "id"}


async def test_selected_sub_attributes_are_returned(filled_sandbox: DeclareeSandbox) -> None:
    """A selection can name parts of complex and multi-valued attributes."""
    selected = await filled_sandbox.get("/Users/1001?attributes=name.givenName,emails.value")

    assert selected["name"] == {"givenName": "Anna"}
    assert selected["emails"] == [{"value": "anna.berg@example.com"}]

    rest = await filled_sandbox.get("/Users/1001?excludedAttributes=name.givenName,emails.type,emails.primary")

    assert rest["name"] == {"familyName": "Berg"}
    assert rest["emails"] == [{"value": "anna.berg@example.com"}]


# ---------------------------------------------------------------- .search


async def test_search_by_post_works_if_switched_on(filled_sandbox: DeclareeSandbox) -> None:
    """The body holds the same parameters as the query string."""
    filled_sandbox.change_behaviour(search=True)
    body = {"filter": 'userName eq "ben@example.com"', "attributes": ["externalId"], "startIndex": 1, "count": 9}

    answer = await filled_sandbox.request("POST", "/Users/.search", body)

    assert _read_page(answer.json()) == (1, 1, 1, ["2"])
    assert answer.json()["Resources"] == [{"schemas": [CORE], "id": "1002", "externalId": "2"}]
    assert read_error(await filled_sandbox.request("GET", "/Users/.search")) == (405, None)

    for wrong in ({"filter": 7}, {"attributes": [7]}):
        assert read_error(await filled_sandbox.request("POST", "/Users/.search", wrong)) == (400, "invalidSyntax")
