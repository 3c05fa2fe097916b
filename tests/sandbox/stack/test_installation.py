"""An installation on a folder that was used before."""

import socket
from pathlib import Path

import pytest

from sandbox.installation import Installation
from sandbox.stack.errors import StackError
from sandbox.stack.ports import LOOPBACK


async def test_a_port_that_another_program_has_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    port = int(installation.declaree.rpartition(":")[2])
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        another.bind((LOOPBACK, port))
        another.listen()
        with pytest.raises(StackError, match=rf"{port} \(for declaree\)\. Stop them, or remove \S+ports\.json"):
            async with installation:
                pytest.fail("it must not be taken for ours")
    assert installation.parts == {}
