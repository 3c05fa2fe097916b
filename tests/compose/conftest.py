"""The container engine and the deployment that all compose tests share."""

from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment, deploy
from tests.compose.engine import Engine, NoEngineError, can_start_stand_ins, provide_engine, start_stand_ins
from tests.compose.steps import call_control, wait_until_synced


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine; skips the test if the machine has none and cannot start one."""
    try:
        with provide_engine(Engine({}), start_stand_ins if can_start_stand_ins() else None) as engine:
            yield engine
    except NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def deployment(
    engine: Engine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The running containers; prints their state and logs if a test has failed."""
    failures_before = request.session.testsfailed
    with deploy(engine, tmp_path_factory.mktemp("deployment")) as deployment:
        yield deployment
        if request.session.testsfailed > failures_before:
            deployment.show()


@pytest.fixture
async def synced(deployment: Deployment) -> Deployment:
    """The deployment after a complete synchronisation, without rate limits, because the tests read Personio often."""
    await call_control(deployment.personio, "PATCH", "/behaviour", {"rate_limits": False})
    await wait_until_synced(deployment)
    return deployment


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists the skipped tests and the reason."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/compose/" in report.nodeid]
    if skipped:
        terminalreporter.section("the containers were not tested")
        terminalreporter.write_line(skipped[0].longrepr[2])
    for report in skipped:
        terminalreporter.write_line(f"  {report.nodeid}")
