"""``POST /v1/auth`` as the vendor documents it.

The boxes: JSON and form body · the same token until it expires, 24 h from the first issue · ``papi-`` prefix · 403 ``Wrong
credentials`` with code 0 · 403 on credentials in the query string · 60 a minute, then 60 s of cool-down · ``expires_in`` and
``scope`` can be missing · ``authorization`` on successful answers, can be switched off · 401 and 403 of the other calls.
"""

from typing import Any

import pytest

from tests.sandbox.personio.stage import EMPLOYEES, SECRETS, Stage, golden, staged


async def test_a_json_body_logs_in(stage: Stage) -> None:
    answer = await stage.http.post("/v1/auth", json=SECRETS)
    assert answer.status_code == 200
    assert answer.json()["data"]["token"].startswith("papi-")


async def test_a_form_body_logs_in(stage: Stage) -> None:
    answer = await stage.http.post("/v1/auth", data=SECRETS)
    assert answer.status_code == 200
    assert answer.json()["data"]["token"].startswith("papi-")


async def test_the_answer_has_the_fields_of_the_vendors_example(stage: Stage) -> None:
    ours, theirs = (await stage.http.post("/v1/auth", json=SECRETS)).json(), golden("auth-200")
    assert ours.keys() == theirs.keys()
    assert {key: type(value) for key, value in ours["data"].items()} == {
        key: type(value) for key, value in theirs["data"].items()
    }


async def test_the_token_stays_the_same_and_its_life_is_not_prolonged() -> None:
    async with staged() as stage:
        first = await stage.log_in()
        stage.pass_time(hours=23)
        again = (await stage.http.post("/v1/auth", json=SECRETS)).json()["data"]
        assert again == {"token": first, "expires_in": 3600, "scope": again["scope"]}


async def test_after_24_hours_from_the_first_issue_the_token_is_refused_and_a_new_one_given(stage: Stage) -> None:
    old = stage.http.headers["authorization"]
    stage.pass_time(hours=24)
    refused = await stage.http.get(EMPLOYEES)
    assert (refused.status_code, refused.json()) == (403, golden("error-403"))
    await stage.log_in()
    assert stage.http.headers["authorization"] != old
    assert (await stage.http.get(EMPLOYEES)).status_code == 200


@pytest.mark.parametrize(
    "body", [{**SECRETS, "client_secret": "no"}, {**SECRETS, "client_id": "no"}, {"client_id": "demo-client"}, {}]
)
async def test_wrong_credentials_are_403_with_code_0(stage: Stage, body: dict[str, Any]) -> None:
    answer = await stage.http.post("/v1/auth", json=body)
    assert (answer.status_code, answer.json()) == (403, golden("auth-403"))


@pytest.mark.parametrize("body", [b"", b"[1]", b"{broken"])
async def test_a_body_without_credentials_is_403(stage: Stage, body: bytes) -> None:
    assert (await stage.http.post("/v1/auth", content=body)).status_code == 403


async def test_credentials_in_the_query_string_are_403_even_when_right(stage: Stage) -> None:
    assert (await stage.http.post("/v1/auth", params=SECRETS)).status_code == 403
    await stage.control("PATCH", "/behaviour", {"query_string_credentials": "accept"})
    assert (await stage.http.post("/v1/auth", params=SECRETS)).status_code == 200


async def test_more_than_60_logins_a_minute_lead_to_a_minute_of_cooldown() -> None:
    async with staged(rate_limits=True) as stage:
        statuses = [(await stage.http.post("/v1/auth", json=SECRETS)).status_code for _ in range(61)]
        assert statuses == [200] * 60 + [429]
        stage.pass_time(seconds=59)
        assert (await stage.http.post("/v1/auth", json=SECRETS)).status_code == 429
        stage.pass_time(seconds=1)
        assert (await stage.http.post("/v1/auth", json=SECRETS)).status_code == 200


async def test_expires_in_and_scope_can_be_left_out(stage: Stage) -> None:
    await stage.control("PATCH", "/behaviour", {"send_expires_in": False, "send_scope": False})
    assert (await stage.http.post("/v1/auth", json=SECRETS)).json()["data"].keys() == {"token"}


async def test_successful_answers_carry_the_token_again_until_that_is_switched_off(stage: Stage) -> None:
    sent = stage.http.headers["authorization"]
    assert (await stage.http.get(EMPLOYEES)).headers["authorization"] == sent
    assert "authorization" not in (await stage.http.get(f"{EMPLOYEES}/0")).headers
    await stage.control("PATCH", "/behaviour", {"authorization_header": False})
    assert "authorization" not in (await stage.http.get(EMPLOYEES)).headers


async def test_a_call_without_a_token_is_401_and_with_a_wrong_one_403(stage: Stage) -> None:
    del stage.http.headers["authorization"]
    missing = await stage.http.get(EMPLOYEES)
    assert (missing.status_code, missing.json()) == (401, golden("error-401"))
    wrong = await stage.http.get(EMPLOYEES, headers={"authorization": "Bearer papi-made-up"})
    assert (wrong.status_code, wrong.json()) == (403, golden("error-403"))


async def test_a_revoked_token_is_401_and_a_new_login_gives_another(stage: Stage) -> None:
    await stage.control("POST", "/tokens/revoke")
    answer = await stage.http.get(EMPLOYEES)
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "The token has been blacklisted")
    await stage.log_in()
    assert (await stage.http.get(EMPLOYEES)).status_code == 200


async def test_a_rotated_secret_replaces_the_old_one_and_its_token(stage: Stage) -> None:
    rotated = await stage.control("POST", "/credentials/rotate", {"client_secret": "new"})
    assert rotated == {"client_id": "demo-client", "client_secret": "new"}
    assert (await stage.http.get(EMPLOYEES)).status_code == 401
    assert (await stage.http.post("/v1/auth", json=SECRETS)).status_code == 403
    assert (await stage.http.post("/v1/auth", json={**SECRETS, "client_secret": "new"})).status_code == 200


async def test_a_credential_without_the_right_is_403_with_code_0(stage: Stage) -> None:
    await stage.control("PUT", "/credentials/rights", {"may_read_employees": False})
    answer = await stage.http.get(EMPLOYEES)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 0)
