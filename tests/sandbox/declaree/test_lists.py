"""Lists, filters and reads that deviate from the RFC: each deviation has a switch."""

import pytest

from tests.sandbox.declaree.in_process import (
    DeclareeSandbox,
    build_operation,
    build_user,
    build_users,
    read_error,
    run_sandbox,
)

BY_EXTERNAL_ID = "/Users?filter=externalId+eq+%222%22"


async def create_users(sandbox: DeclareeSandbox, count: int) -> list[str]:
    """Creates users with the external ids 1 to ``count``, and returns their ids."""
    return [(await sandbox.create(body))["id"] for body in build_users(count)]


@pytest.mark.parametrize("status", [400, 500])
async def test_plain_list_can_be_refused_while_filters_work(status: int) -> None:
    """Only a list without a filter is refused, with paging as well."""
    async with run_sandbox(plain_list_status=status) as sandbox:
        _, second = await create_users(sandbox, 2)

        assert read_error(await sandbox.request("GET", "/Users")) == (status, None)
        assert read_error(await sandbox.request("GET", "/Users?startIndex=1&count=1")) == (status, None)
        assert await sandbox.find_ids('externalId eq "2"') == [second]
        assert (await sandbox.get(f"/Users/{second}"))["externalId"] == "2"


@pytest.mark.parametrize(("filters", "error"), [("none", (400, "invalidFilter")), ("not_implemented", (501, None))])
async def test_server_without_filters_refuses_them(filters: str, error: tuple[int, str | None]) -> None:
    """The plain list still works, and the configuration says that filters are not supported."""
    async with run_sandbox(filters=filters) as sandbox:
        await create_users(sandbox, 2)

        assert read_error(await sandbox.request("GET", BY_EXTERNAL_ID)) == error
        assert (await sandbox.get("/Users"))["totalResults"] == 2
        assert (await sandbox.get("/ServiceProviderConfig"))["filter"]["supported"] is False


async def test_ignored_filter_answers_the_first_page_of_all() -> None:
    """The configuration still says that filters are supported."""
    async with run_sandbox(filters="ignored", max_page_size=2) as sandbox:
        first, second, _ = await create_users(sandbox, 3)

        answer = await sandbox.get("/Users?filter=externalId+eq+%223%22")

        assert [user["id"] for user in answer["Resources"]] == [first, second]
        assert answer["totalResults"] == 3
        assert (await sandbox.get("/ServiceProviderConfig"))["filter"]["supported"] is True


async def test_filter_without_match_can_get_404() -> None:
    """The error has a SCIM body; a plain list of no account is still a list."""
    async with run_sandbox(no_match_status=404) as sandbox:
        assert read_error(await sandbox.request("GET", BY_EXTERNAL_ID)) == (404, None)
        assert (await sandbox.get("/Users"))["totalResults"] == 0

        await create_users(sandbox, 2)

        assert (await sandbox.get(BY_EXTERNAL_ID))["totalResults"] == 1


async def test_lists_can_show_few_attributes() -> None:
    """Only a read by id shows the whole account."""
    async with run_sandbox(list_attributes=["userName", "meta"]) as sandbox:
        _, second = await create_users(sandbox, 2)

        for path in ("/Users", BY_EXTERNAL_ID):
            listed = (await sandbox.get(path))["Resources"][-1]
            assert set(listed) == {"schemas", "id", "userName", "meta"}

        assert (await sandbox.get(f"/Users/{second}"))["externalId"] == "2"


async def test_list_can_contain_an_account_twice() -> None:
    """The first account is repeated, in the total as well, and the pages together contain all accounts."""
    async with run_sandbox(repeat_first=True, max_page_size=2) as sandbox:
        first, second = await create_users(sandbox, 2)

        pages = [await sandbox.get(f"/Users?startIndex={start}") for start in (1, 3)]

        assert [user["id"] for page in pages for user in page["Resources"]] == [first, first, second]
        assert pages[0]["totalResults"] == 3
        assert await sandbox.find_ids('externalId eq "2"') == [second, second]


async def test_reads_can_lag_behind_a_create() -> None:
    """For the first seconds, neither a read nor a search finds the account, and a write by id does."""
    async with run_sandbox(read_lag_seconds=6) as sandbox:
        (account,) = await create_users(sandbox, 1)
        sandbox.clock.move(seconds=5.9)

        assert read_error(await sandbox.request("GET", f"/Users/{account}")) == (404, None)
        assert await sandbox.find_ids('externalId eq "1"') == []
        assert (await sandbox.get("/Users"))["totalResults"] == 0
        assert (await sandbox.patch(account, build_operation("replace", "title", "Dr."))).status_code == 200

        sandbox.clock.move(seconds=0.1)

        assert (await sandbox.get(f"/Users/{account}"))["title"] == "Dr."
        assert await sandbox.find_ids('externalId eq "1"') == [account]


async def test_user_names_can_be_shared(sandbox: DeclareeSandbox) -> None:
    """On a server without unique names, a filter returns every account with the name."""
    sandbox.change_behaviour(unique_user_names=False)
    first, second = [(await sandbox.create(build_user(externalId=number)))["id"] for number in ("1", "2")]

    assert await sandbox.find_ids('userName eq "ANNA.BERG@example.com"') == [first, second]

    await sandbox.patch_and_get(first, build_operation("replace", "userName", "ada@example.com"))

    assert await sandbox.find_ids('userName eq "anna.berg@example.com"') == [second]

    sandbox.change_behaviour(unique_user_names=True)

    assert (await sandbox.request("POST", "/Users", build_user())).status_code == 409
