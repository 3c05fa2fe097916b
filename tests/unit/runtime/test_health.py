"""Health and metrics of a process require the token on every path, if the process has one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import httpx
import pytest
from pydantic import SecretStr

from services.runtime.health import Health
from services.runtime.metrics import Metrics

PATHS = ("/health/live", "/health/ready", "/metrics", "/other")


@asynccontextmanager
async def connect(token: SecretStr | None) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of a process that requires this token."""
    health = Health("writer", Metrics(), token)
    health.is_started = True
    transport = httpx.ASGITransport(app=health.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://writer") as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer other", "Basic right", "right", "Bearer right ", "Bearer \xff"]
)
async def test_request_without_the_token_learns_nothing(path: str, header: str | None) -> None:
    """An answer does not even say whether the path exists."""
    async with connect(SecretStr("right")) as client:
        headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
        response = await client.get(path, headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.content == b""


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_tells_service_and_version(path: str) -> None:
    """During an upgrade, an operator asks which process is the old one."""
    async with connect(None) as client:
        answer = (await client.get(path)).json()

    assert answer["service"] == "writer"
    assert answer["version"] == version("personio-declaree")


async def test_metrics_tell_the_version() -> None:
    """So that a dashboard shows it beside everything else."""
    async with connect(None) as client:
        lines = (await client.get("/metrics")).text.splitlines()

    assert f'sync_build_info{{version="{version("personio-declaree")}"}} 1.0' in lines


@pytest.mark.parametrize("token", [None, SecretStr(""), SecretStr("right")])
async def test_request_with_the_token_is_answered(token: SecretStr | None) -> None:
    """A process without a token, such as one that only its own machine reaches, requires none."""
    async with connect(token) as client:
        if token and token.get_secret_value():
            client.headers["Authorization"] = "Bearer right"
        answers = {path: (await client.get(path)).status_code for path in PATHS}

    assert answers == {"/health/live": 200, "/health/ready": 200, "/metrics": 200, "/other": 404}
