"""The version in the name that a process has in Kafka."""

import os

import pytest

from services.runtime.version import UNKNOWN, VERSION, find_version, name_process


def test_name_of_a_process_has_service_version_and_process_id() -> None:
    """The log of Kafka shows it, and other processes read the version."""
    name = name_process("writer")

    assert name == f"writer-{VERSION}-{os.getpid()}"
    assert find_version(name) == VERSION


@pytest.mark.parametrize(
    "name", ["", "writer", "writer-7", "writer-x-7", "writer-1.0-x", "a writer-1.0-7", "writer-1.0-7-8"]
)
def test_other_names_have_an_unknown_version(name: str) -> None:
    """Any program can join a group."""
    assert find_version(name) == UNKNOWN
