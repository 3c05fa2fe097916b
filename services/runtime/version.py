"""The version of the product, from the metadata of its package."""

from importlib.metadata import version

VERSION = version("personio-declaree")
"""The version of the product."""
