"""One engine and one stack for all compose tests."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import Engine, NoEngineError, usable_engine
from tests.compose.stack import Stack, running_stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        with usable_engine() as found:
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
