"""Encryption keys for tests."""

import base64
import os


def make_key() -> str:
    """Returns a new key in the form of ENCRYPTION_KEYS."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
