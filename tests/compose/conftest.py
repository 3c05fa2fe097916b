"""One engine and one stack for all compose tests."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import Engine, NoEngineError, own_engine, stand_ins_are_possible, usable_engine
from tests.compose.stack import Stack, running_stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        with usable_engine(Engine({}), own_engine if stand_ins_are_possible() else None) as found:
            yield found
    except NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stack(engine: Engine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    failed = request.session.testsfailed
    with running_stack(engine, tmp_path_factory.mktemp("stack")) as running:
        yield running
        if request.session.testsfailed > failed:
            running.show()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what was not tried, and why."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/compose/" in report.nodeid]
    if skipped:
        terminalreporter.section("the containers were not tried")
        terminalreporter.write_line(skipped[0].longrepr[2])
    for report in skipped:
        terminalreporter.write_line(f"  {report.nodeid}")
