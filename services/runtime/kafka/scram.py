"""Kafka's request that creates users, or sets their passwords, for SCRAM-SHA-512. aiokafka 0.14 has no such request."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from pydantic import SecretStr

ITERATIONS = 8192
"""Number of hash rounds; Kafka's own tools use 4096 to 8192."""
SALT_BYTES = 32
"""Length of the random salt of each password."""

_SCRAM_SHA_512 = 2
_TEXT = CompactString("utf-8")
_DELETION = (("name", _TEXT), ("mechanism", Int8), ("tags", TaggedFields))
_UPSERTION = (
    ("name", _TEXT),
    ("mechanism", Int8),
    ("iterations", Int32),
    ("salt", CompactBytes),
    ("salted_password", CompactBytes),
    ("tags", TaggedFields),
)
_RESULT = (("user", _TEXT), ("error_code", Int16), ("error_message", _TEXT), ("tags", TaggedFields))


class _ScramResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(("throttle_time_ms", Int32), ("results", CompactArray(*_RESULT)), ("tags", TaggedFields))


class _ScramRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(*_DELETION)), ("upsertions", CompactArray(*_UPSERTION)), ("tags", TaggedFields)
    )


class SetPasswords(Request[_ScramRequest]):  # type: ignore[misc]
    """A request that creates these users, or sets their passwords. Passwords leave this process only salted and hashed."""

    API_KEY = 51

    def __init__(self, passwords: Mapping[str, SecretStr]) -> None:
        self._upsertions: list[tuple[object, ...]] = [
            (name, _SCRAM_SHA_512, ITERATIONS, *_hash(password), {}) for name, password in passwords.items()
        ]

    def build(self, request_struct_class: Any) -> Any:
        """Returns the request. aiokafka calls it."""
        return request_struct_class([], self._upsertions, {})


def _hash(password: SecretStr) -> tuple[bytes, bytes]:
    salt = secrets.token_bytes(SALT_BYTES)
    return salt, hashlib.pbkdf2_hmac("sha512", password.get_secret_value().encode(), salt, ITERATIONS)
