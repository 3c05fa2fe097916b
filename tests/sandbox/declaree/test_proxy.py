"""What stands between the client and the endpoint: media types, redirects and forms of answers."""

from tests.sandbox.declaree.in_process import DeclareeSandbox, build_operation, build_user, read_error, run_sandbox

JSON = "application/json"


async def test_scim_media_type_can_be_refused(sandbox: DeclareeSandbox) -> None:
    """Every write with the media type of SCIM gets 415, and answers are plain JSON."""
    account = (await sandbox.create())["id"]
    sandbox.change_behaviour(scim_media_type=False)

    refused = await sandbox.patch(account, build_operation("replace", "title", "Dr."))
    accepted = await sandbox.request("PUT", f"/Users/{account}", build_user(title="Dr."), content_type=JSON)

    assert read_error(refused) == (415, None)
    assert refused.headers["content-type"] == JSON
    assert accepted.json()["title"] == "Dr."
    assert accepted.headers["content-type"] == JSON


async def test_path_without_trailing_slash_can_be_redirected() -> None:
    """The redirect keeps the origin and the query, and has no effect of its own."""
    async with run_sandbox(trailing_slash="required") as sandbox:
        created = await sandbox.request("POST", "/Users", build_user())
        listed = await sandbox.request("GET", "/Users?filter=externalId+eq+%221%22")
        account = (await sandbox.create(path="/Users/"))["id"]
        read = await sandbox.request("GET", f"/Users/{account}")

        assert [answer.status_code for answer in (created, listed, read)] == [308, 308, 308]
        assert created.headers["location"] == "http://declaree.test/SCIM/v2/Users/"
        assert listed.headers["location"] == "http://declaree.test/SCIM/v2/Users/?filter=externalId+eq+%221%22"
        assert read.headers["location"] == f"http://declaree.test/SCIM/v2/Users/{account}/"
        assert (await sandbox.get("/Users/"))["totalResults"] == 1
        assert (await sandbox.get(f"/Users/{account}/"))["id"] == account
