"""ETags. They are off by default, because the vendor does not document them."""

import pytest

from tests.sandbox.declaree.in_process import DeclareeSandbox, build_operation, build_user, read_error, run_sandbox


async def test_if_match_is_ignored_without_versions(sandbox: DeclareeSandbox) -> None:
    """By default the sandbox sends no version and ignores conditions."""
    answer = await sandbox.request("POST", "/Users", build_user())

    assert "etag" not in answer.headers
    assert "version" not in answer.json()["meta"]

    account = answer.json()["id"]

    answer = await sandbox.request("PUT", f"/Users/{account}", build_user(title="x"), if_match='W/"99"')

    assert answer.status_code == 200
    assert (await sandbox.request("GET", f"/Users/{account}", if_none_match='W/"2"')).status_code == 200


async def test_version_increases_with_every_real_change() -> None:
    """A write without a change keeps the version."""
    async with run_sandbox(versions=True) as sandbox:
        created = await sandbox.request("POST", "/Users", build_user())
        account = created.json()["id"]

        assert created.headers["etag"] == created.json()["meta"]["version"] == 'W/"1"'

        changed = await sandbox.patch(account, build_operation("replace", "title", "Dr."))

        assert changed.headers["etag"] == 'W/"2"'

        same = await sandbox.patch(account, build_operation("replace", "title", "Dr."))

        assert same.headers["etag"] == 'W/"2"'

        sandbox.change_behaviour(patch_answer=204)
        short = await sandbox.patch(account, build_operation("replace", "title", "Prof."))

        assert short.status_code == 204
        assert short.headers["etag"] == 'W/"3"'
        assert (await sandbox.request("GET", f"/Users/{account}")).headers["etag"] == 'W/"3"'


@pytest.mark.parametrize(
    ("sent", "status"), [('W/"1"', 200), ('"1"', 200), ("*", 200), ('W/"7", W/"1"', 200), ('W/"2"', 412), ("1", 412)]
)
async def test_put_and_patch_with_another_version_get_412(sent: str, status: int) -> None:
    """A write applies only to the version that If-Match names."""
    for method, body in (
        ("PUT", build_user(title="x")),
        ("PATCH", {"Operations": [build_operation("add", "title", "x")]}),
    ):
        async with run_sandbox(versions=True) as sandbox:
            account = (await sandbox.create())["id"]
            answer = await sandbox.request(method, f"/Users/{account}", body, if_match=sent)

            assert answer.status_code == status
            assert ("title" in await sandbox.get(f"/Users/{account}")) == (status == 200)


async def test_delete_with_another_version_gets_412() -> None:
    """A deletion applies only to the version that If-Match names."""
    async with run_sandbox(versions=True, delete="allowed") as sandbox:
        account = (await sandbox.create())["id"]

        assert read_error(await sandbox.request("DELETE", f"/Users/{account}", if_match='W/"2"')) == (412, None)
        assert (await sandbox.request("DELETE", f"/Users/{account}", if_match='W/"1"')).status_code == 204


async def test_get_with_the_current_version_gets_304() -> None:
    """If-None-Match saves the body of an unchanged account."""
    async with run_sandbox(versions=True) as sandbox:
        account = (await sandbox.create())["id"]
        answer = await sandbox.request("GET", f"/Users/{account}", if_none_match='W/"1"')

        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == 'W/"1"'
        assert (await sandbox.request("GET", f"/Users/{account}", if_none_match='W/"2"')).status_code == 200


async def test_administrator_change_makes_a_new_version() -> None:
    """A client notices a change by an administrator."""
    async with run_sandbox(versions=True) as sandbox:
        account = (await sandbox.create())["id"]
        await sandbox.control("PATCH", f"/accounts/{account}", {"set": {"title": "Dr."}})

        answer = await sandbox.request("PUT", f"/Users/{account}", build_user(), if_match='W/"1"')

        assert read_error(answer) == (412, None)


# ---------------------------------------------------------------- as real servers and proxies deviate


async def write_title(sandbox: DeclareeSandbox, account: str, tag: str) -> int:
    """Changes the title under the condition that the version is ``tag``, and returns the status."""
    body = {"Operations": [build_operation("replace", "title", "Dr.")]}
    return (await sandbox.request("PATCH", f"/Users/{account}", body, if_match=tag)).status_code


async def test_versions_can_be_sent_although_etag_is_false() -> None:
    """A server may send versions that its configuration denies."""
    async with run_sandbox(versions=True, advertise_versions=False) as sandbox:
        account = (await sandbox.create())["id"]

        assert (await sandbox.get("/ServiceProviderConfig"))["etag"] == {"supported": False}
        assert (await sandbox.request("GET", f"/Users/{account}")).headers["etag"] == 'W/"1"'
        assert await write_title(sandbox, account, 'W/"2"') == 412


@pytest.mark.parametrize(
    ("matching", "seen", "in_body"),
    [
        ("strict", 'W/"1"', 'W/"1"'),
        ("gzip_suffix", 'W/"1-gzip"', 'W/"1"'),
        ("weakened", 'W/"1"', '"1"'),
        ("never", 'W/"1"', 'W/"1"'),
    ],
)
async def test_seen_version_never_matches_on_deviating_servers(matching: str, seen: str, in_body: str) -> None:
    """A client that sends back the ETag header gets 412 for an account that did not change."""
    async with run_sandbox(versions=True, version_matching=matching) as sandbox:
        account = (await sandbox.create())["id"]
        answer = await sandbox.request("GET", f"/Users/{account}")

        assert answer.headers["etag"] == seen
        assert answer.json()["meta"]["version"] == in_body
        assert await write_title(sandbox, account, seen) == 412
        assert "title" not in await sandbox.get(f"/Users/{account}")


@pytest.mark.parametrize(
    ("matching", "sent", "status"),
    [
        ("strict", '"1"', 412),
        ("strict", "*", 200),
        ("gzip_suffix", 'W/"1"', 200),
        ("weakened", '"1"', 200),
        ("never", "*", 412),
    ],
)
async def test_other_tags_match_on_deviating_servers(matching: str, sent: str, status: int) -> None:
    """The version of the body still matches where a proxy changed the header alone."""
    async with run_sandbox(versions=True, version_matching=matching) as sandbox:
        account = (await sandbox.create())["id"]

        assert await write_title(sandbox, account, sent) == status


async def test_write_without_condition_succeeds_on_every_server() -> None:
    """Only If-Match is compared, so a client that omits it can still write."""
    async with run_sandbox(versions=True, version_matching="never") as sandbox:
        account = (await sandbox.create())["id"]

        assert (await sandbox.patch(account, build_operation("replace", "title", "Dr."))).status_code == 200
