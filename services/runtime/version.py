"""The version of the product, as ``pyproject.toml`` has it."""

from importlib.metadata import version

VERSION = version("personio-declaree")
"""The version, such as ``0.2.0``."""
