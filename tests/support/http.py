"""HTTP clients of the tests."""

from typing import Any

import httpx


def open_http(**options: Any) -> httpx.AsyncClient:
    """Returns a client for servers on this machine. It loads no certificates, which would take most of its time."""
    return httpx.AsyncClient(verify=False, trust_env=False, **options)  # noqa: S501 - these servers use no TLS
