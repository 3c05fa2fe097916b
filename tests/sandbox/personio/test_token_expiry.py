"""Tokens that end while a client pages through the list."""

import pytest

from tests.sandbox.personio.in_process import EMPLOYEES, SECRETS, PersonioSandbox, run_sandbox

LIST = f"{EMPLOYEES}?limit=10"


@pytest.mark.parametrize(("switch", "status"), [("forbidden", 403), ("unauthorized", 401)])
async def test_token_can_end_during_a_scan(personio: PersonioSandbox, switch: str, status: int) -> None:
    """From the third page on the old token is invalid, although its login promised 24 hours, until the next login."""
    await personio.call_control("PATCH", "/behaviour", {"expired_token": switch})
    await personio.call_control("POST", "/faults", {"kind": "expire_token", "after": 2, "path": EMPLOYEES})

    statuses = [(await personio.http.get(LIST)).status_code for _ in range(4)]

    assert statuses == [200, 200, status, status]

    old = personio.http.headers["authorization"]
    await personio.log_in()

    assert personio.http.headers["authorization"] != old
    assert (await personio.http.get(LIST)).status_code == 200


async def test_expired_token_can_end_again_and_again(personio: PersonioSandbox) -> None:
    """Every second page ends the token, so that a client has to log in all the time."""
    await personio.call_control(
        "POST", "/faults", {"kind": "expire_token", "every": 2, "count": None, "path": EMPLOYEES}
    )
    statuses = []
    for _ in range(4):
        statuses.append((await personio.http.get(LIST)).status_code)
        await personio.log_in()

    assert statuses == [403, 200, 403, 200]


async def test_control_request_ends_all_tokens(personio: PersonioSandbox) -> None:
    """A token that was ended by request is answered like an expired one, not like a revoked one."""
    await personio.call_control("POST", "/tokens/expire")

    assert (await personio.http.get(LIST)).status_code == 403


async def test_token_lifetime_can_be_set() -> None:
    """The login tells the shorter lifetime, and the token ends with it."""
    async with run_sandbox(token_lifetime_seconds=90) as personio:
        await personio.log_in()
        personio.advance_clock(seconds=30)
        again = (await personio.http.post("/v1/auth", json=SECRETS)).json()["data"]

        assert again["expires_in"] == 60

        personio.advance_clock(seconds=60)

        assert (await personio.http.get(LIST)).status_code == 403


async def test_made_up_token_is_403_with_every_switch() -> None:
    """The switch concerns tokens that were issued."""
    async with run_sandbox(expired_token="unauthorized") as personio:
        response = await personio.http.get(LIST, headers={"authorization": "Bearer papi-made-up"})

        assert response.status_code == 403
