"""Headers that say how many requests a server still accepts."""

from datetime import UTC, datetime

import httpx
import pytest

from services.clients.http.rate_headers import Quota, read_pause, read_quota

NOW = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({}, None),
        ({"RateLimit-Policy": '"default";q=100;w=60'}, Quota(None, None)),
        ({"RateLimit": '"default";r=50;t=30'}, Quota(50, 30.0)),
        ({"RateLimit": '"default";r=5'}, Quota(5, None)),
        ({"RateLimit": '"second";r=3;t=1, "day";r=0;t=600, "hour";r=0;t=60'}, Quota(0, 600.0)),
        ({"RateLimit": "limit=100, remaining=0, reset=30"}, Quota(0, 30.0)),
        ({"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, Quota(0, 30.0)),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "1773045020"}, Quota(7, 20.0)),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1773045020000"}, Quota(0, 20.0)),
        ({"RateLimit-Reset": "99999999"}, Quota(None, 900.0)),
        ({"X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "soon"}, Quota(None, None)),
        ({"X-RateLimit-Remaining": "9" * 400}, Quota(1_000_000_000, None)),
    ],
)
def test_quota_is_read_in_each_form(headers: dict[str, str], quota: Quota | None) -> None:
    """The IETF's draft has changed its headers, and older ones have a prefix. Of several quotas, the last to end counts."""
    assert read_quota(httpx.Response(200, headers=headers), NOW) == quota


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "7", "RateLimit-Reset": "30"}, 7.0),
        ({"RateLimit-Reset": "30"}, 30.0),
        ({"RateLimit": '"default";r=0;t=30'}, 30.0),
        ({"RateLimit": '"other";r=9;t=30'}, None),
    ],
)
def test_pause_comes_from_retry_after_or_from_an_empty_quota(headers: dict[str, str], pause: float | None) -> None:
    """A quota that is not used up is not the reason of a refusal. A pause of 0 seconds would repeat the request for ever."""
    assert read_pause(httpx.Response(429, headers=headers), NOW) == pause
