"""The version of the product, from the metadata of its package."""

from importlib.metadata import version

VERSION = version("personio-declaree")
"""The released version, such as ``0.1.0``."""
