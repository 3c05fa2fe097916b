"""Progress of a command, at a real terminal and without one."""

import pytest

from services.contracts.ids import ConnectionId
from tests.support.command_line import Cli
from tests.support.terminal import CTRL_C, start_at_terminal

pytestmark = pytest.mark.mongo


async def test_progress_at_a_terminal_is_shown_until_ctrl_c(cli: Cli, connection: ConnectionId) -> None:
    """The user sees what the command waits for, and Ctrl-C ends it with code 130."""
    terminal = await start_at_terminal(cli.environment, "poll", connection)

    await terminal.wait_for("waiting for a poller")
    terminal.type_keys(CTRL_C)
    code = await terminal.wait_for_exit()

    assert code == 130
    assert "Traceback" not in terminal.screen


def test_progress_without_a_terminal_is_not_shown(cli: Cli, connection: ConnectionId) -> None:
    """A file or pipe gets one line, the error."""
    result = cli("poll", connection, "--seconds", "0.1")

    assert len(result.output.splitlines()) == 1
    assert "waiting for a poller" not in result.output
