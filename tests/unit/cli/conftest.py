"""Commands without servers."""

from collections.abc import Iterator

import pytest

from tests.support.command_line import Cli, build_settings, restore_logging


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with restore_logging():
        yield


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of servers that do not answer."""
    return build_settings(monkeypatch)


@pytest.fixture
def offline(settings: dict[str, str]) -> Cli:
    """Commands with settings of servers that do not answer."""
    return Cli(settings)
