"""The version of the product, and which version another process has."""

import os
import re
from importlib.metadata import version

VERSION = version("personio-declaree")
"""The version, such as ``0.2.0``, as ``pyproject.toml`` has it."""
UNKNOWN = "unknown"
"""The version of a process that does not tell it."""

_NAME = re.compile(r"[a-z]+-(?P<version>\d[^-]*)-\d+")


def name_process(service: str) -> str:
    """Returns the name that this process has in Kafka: its service, its version and its process id."""
    return f"{service}-{VERSION}-{os.getpid()}"


def find_version(name: str) -> str:
    """Returns the version in a name that ``name_process`` gave; ``UNKNOWN`` for another name."""
    match = _NAME.fullmatch(name)
    return UNKNOWN if match is None else match["version"]
