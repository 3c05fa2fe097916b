"""The installation that is measured: default settings, without the limits of either side."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from sandbox.installation import Installation
from services.store.database import Store

DATABASE = "personio_declaree"
"""Name of the database."""

JOURNAL_SIZE = 1_000_000
"""Requests that the sandbox Declaree keeps: more than an import sends."""

WITHOUT_LIMITS = {"POLL_PERSONIO_PER_MINUTE": "100000", "POLL_PERSONIO_LOGINS_PER_MINUTE": "100000"}
"""Settings without the poller's rate limit, because the sandbox Personio has none."""


def install(
    folder: Path,
    active: int,
    seed: int,
    *,
    services: tuple[str, ...] = ("mapper", "writer"),
    settings: Mapping[str, str] | None = None,
) -> Installation:
    """Returns an installation with a paused connection. The sandbox adds some other employees.

    ``settings`` are further environment variables of the services.
    """
    return Installation(
        folder,
        active=active,
        seed=seed,
        services=services,
        settings={**WITHOUT_LIMITS, **(settings or {})},
        personio_options=("--no-rate-limit",),
        declaree_options=("--journal-size", str(JOURNAL_SIZE)),
        starts_connection=False,
    )


@contextmanager
def open_store(installation: Installation) -> Iterator[Store]:
    """Opens the database of an installation."""
    environment = installation.environment
    keys = [SecretStr(environment["ENCRYPTION_KEYS"])]
    store = Store.connect(SecretStr(environment["MONGODB_URL"]), DATABASE, keys)
    try:
        yield store
    finally:
        store.close()
