"""An installation in a folder that an earlier run has used."""

import socket
from pathlib import Path

import pytest

from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from sandbox.stack.ports import LOOPBACK


async def test_start_with_a_taken_port_names_it_and_starts_nothing(tmp_path: Path) -> None:
    """Clients of a taken port would take the other program for a part of the installation."""
    installation = Installation(tmp_path)
    port = int(installation.declaree.rpartition(":")[2])

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((LOOPBACK, port))
        other.listen()
        with pytest.raises(StackError, match=rf"{port} \(for declaree\)\. Stop them, or remove \S+ports\.json"):
            async with installation:
                pytest.fail("the installation must not use the other program")

    assert installation.components == {}
