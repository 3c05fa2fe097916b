"""Commands at a real terminal, without servers."""

from tests.support.command_line import ADD_CONNECTION, Cli
from tests.support.terminal import CTRL_C, start_at_terminal


async def test_secret_at_a_prompt_is_hidden_and_ctrl_c_ends_silently(offline: Cli) -> None:
    """The terminal never shows the secret, and Ctrl-C at a prompt ends the command with code 130 and no text."""
    terminal = await start_at_terminal(offline.environment, *ADD_CONNECTION)

    await terminal.wait_for("Personio client_secret: ")
    terminal.type_keys(b"s3cret\n")
    await terminal.wait_for("Declaree API key: ")
    terminal.type_keys(CTRL_C)
    code = await terminal.wait_for_exit()

    assert code == 130
    assert "s3cret" not in terminal.screen
    assert "Traceback" not in terminal.screen
    assert "Aborted" not in terminal.screen
