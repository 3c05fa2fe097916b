"""``POST /v1/auth`` as the vendor documents it.

- JSON and form body. The token starts with ``papi-``, and is the same until it expires 24 h after the first login.
- Wrong credentials: status 403 with code 0. Credentials in the query string: status 403.
- 60 requests a minute, then a cool-down of 60 s.
- ``expires_in`` and ``scope`` can be left out. Successful responses repeat the token, unless switched off.
- Status 401 and 403 of the other endpoints.
"""

from typing import Any

import pytest

from tests.sandbox.personio.in_process import EMPLOYEES, SECRETS, PersonioSandbox, load_golden, run_sandbox


async def test_login_with_json_body_returns_a_token(personio: PersonioSandbox) -> None:
    """A JSON body with valid credentials returns a token."""
    response = await personio.http.post("/v1/auth", json=SECRETS)

    assert response.status_code == 200
    assert response.json()["data"]["token"].startswith("papi-")


async def test_login_with_form_body_returns_a_token(personio: PersonioSandbox) -> None:
    """A form body with valid credentials returns a token."""
    response = await personio.http.post("/v1/auth", data=SECRETS)

    assert response.status_code == 200
    assert response.json()["data"]["token"].startswith("papi-")


async def test_login_response_has_the_fields_of_the_vendors_example(personio: PersonioSandbox) -> None:
    """The response has the keys and types of the vendor's example."""
    actual, expected = (await personio.http.post("/v1/auth", json=SECRETS)).json(), load_golden("auth-200")

    assert actual.keys() == expected.keys()
    assert {key: type(value) for key, value in actual["data"].items()} == {
        key: type(value) for key, value in expected["data"].items()
    }


async def test_repeated_login_returns_the_same_token_and_lifetime() -> None:
    """A repeated login returns the current token and does not extend its lifetime."""
    async with run_sandbox() as personio:
        first = await personio.log_in()
        personio.advance_clock(hours=23)
        again = (await personio.http.post("/v1/auth", json=SECRETS)).json()["data"]

        assert again == {"token": first, "expires_in": 3600, "scope": again["scope"]}


async def test_token_expires_after_24_hours_and_login_renews_it(personio: PersonioSandbox) -> None:
    """The lifetime starts with the first login; an expired token is rejected like an unknown one."""
    old = personio.http.headers["authorization"]
    personio.advance_clock(hours=24)

    rejected = await personio.http.get(EMPLOYEES)

    assert rejected.status_code == 403
    assert rejected.json() == load_golden("error-403")

    await personio.log_in()

    assert personio.http.headers["authorization"] != old
    assert (await personio.http.get(EMPLOYEES)).status_code == 200


@pytest.mark.parametrize(
    "body", [{**SECRETS, "client_secret": "no"}, {**SECRETS, "client_id": "no"}, {"client_id": "demo-client"}, {}]
)
async def test_login_with_wrong_credentials_is_403_with_code_0(personio: PersonioSandbox, body: dict[str, Any]) -> None:
    """Wrong or missing credentials get the vendor's error 403 with code 0."""
    response = await personio.http.post("/v1/auth", json=body)

    assert response.status_code == 403
    assert response.json() == load_golden("auth-403")


@pytest.mark.parametrize("body", [b"", b"[1]", b"{broken"])
async def test_login_with_invalid_body_is_403(personio: PersonioSandbox, body: bytes) -> None:
    """A body that is empty, not an object, or not JSON counts as wrong credentials."""
    assert (await personio.http.post("/v1/auth", content=body)).status_code == 403


async def test_login_with_query_string_is_403_unless_switched_on(personio: PersonioSandbox) -> None:
    """The vendor rejects valid credentials in the query string; a switch accepts them."""
    assert (await personio.http.post("/v1/auth", params=SECRETS)).status_code == 403

    await personio.call_control("PATCH", "/behaviour", {"query_string_credentials": "accept"})

    assert (await personio.http.post("/v1/auth", params=SECRETS)).status_code == 200


async def test_login_limit_of_60_a_minute_starts_a_cooldown() -> None:
    """The 61st login within a minute is rejected, and so is every login of the next minute."""
    async with run_sandbox(rate_limits=True) as personio:
        statuses = [(await personio.http.post("/v1/auth", json=SECRETS)).status_code for _ in range(61)]

        assert statuses == [200] * 60 + [429]

        personio.advance_clock(seconds=59)

        assert (await personio.http.post("/v1/auth", json=SECRETS)).status_code == 429

        personio.advance_clock(seconds=1)

        assert (await personio.http.post("/v1/auth", json=SECRETS)).status_code == 200


async def test_login_response_can_omit_expires_in_and_scope(personio: PersonioSandbox) -> None:
    """Switches remove the fields that some accounts do not return."""
    await personio.call_control("PATCH", "/behaviour", {"send_expires_in": False, "send_scope": False})

    assert (await personio.http.post("/v1/auth", json=SECRETS)).json()["data"].keys() == {"token"}


async def test_successful_response_repeats_the_token_unless_off(personio: PersonioSandbox) -> None:
    """Successful responses repeat the token in a header, errors do not, and a switch removes the header."""
    token = personio.http.headers["authorization"]

    assert (await personio.http.get(EMPLOYEES)).headers["authorization"] == token
    assert "authorization" not in (await personio.http.get(f"{EMPLOYEES}/0")).headers

    await personio.call_control("PATCH", "/behaviour", {"authorization_header": False})

    assert "authorization" not in (await personio.http.get(EMPLOYEES)).headers


async def test_missing_token_is_401_and_wrong_token_403(personio: PersonioSandbox) -> None:
    """The vendor distinguishes a missing token from an unknown one."""
    del personio.http.headers["authorization"]
    missing = await personio.http.get(EMPLOYEES)

    assert missing.status_code == 401
    assert missing.json() == load_golden("error-401")

    wrong = await personio.http.get(EMPLOYEES, headers={"authorization": "Bearer papi-made-up"})

    assert wrong.status_code == 403
    assert wrong.json() == load_golden("error-403")


async def test_revoked_token_is_401_until_the_next_login(personio: PersonioSandbox) -> None:
    """A revoked token gets the error of the vendor's forum; the next login returns a valid token."""
    await personio.call_control("POST", "/tokens/revoke")
    response = await personio.http.get(EMPLOYEES)

    assert response.status_code == 401
    assert response.json()["error"]["message"] == "The token has been blacklisted"

    await personio.log_in()

    assert (await personio.http.get(EMPLOYEES)).status_code == 200


async def test_secret_rotation_invalidates_old_secret_and_token(personio: PersonioSandbox) -> None:
    """After a rotation only the new secret can log in, and the old token is invalid."""
    rotated = await personio.call_control("POST", "/credentials/rotate", {"client_secret": "new"})

    assert rotated == {"client_id": "demo-client", "client_secret": "new"}
    assert (await personio.http.get(EMPLOYEES)).status_code == 401
    assert (await personio.http.post("/v1/auth", json=SECRETS)).status_code == 403
    assert (await personio.http.post("/v1/auth", json={**SECRETS, "client_secret": "new"})).status_code == 200


async def test_credential_without_read_right_is_403_with_code_0(personio: PersonioSandbox) -> None:
    """A credential without the right to read employees gets the error of the vendor's forum."""
    await personio.call_control("PUT", "/credentials/rights", {"may_read_employees": False})
    response = await personio.http.get(EMPLOYEES)

    assert response.status_code == 403
    assert response.json()["error"]["code"] == 0
