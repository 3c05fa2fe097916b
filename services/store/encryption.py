"""Encryption of secrets at rest with AES-256-GCM. Several keys allow a rotation.

A secret is sealed for one location: its connection, its field, and the address that it is sent to. All three are associated
data of the encryption. A secret that is copied to another location does not open, nor does one with a changed address (ADR 022).
"""

import base64
import binascii
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from services.store.errors import EncryptionKeyError

FORMAT = "aes256gcm:"
"""Prefix of a sealed secret. After it, nonce and ciphertext follow in URL-safe base64."""
KEY_BYTES = 32
"""Length of a key."""
NONCE_BYTES = 12
"""Length of the random value that makes each encryption different."""

_MAKE_KEY = "make one with: head -c 32 /dev/urandom | base64"


class SecretLocation(NamedTuple):
    """The one location where a secret opens."""

    connection: str
    """Id of the connection."""
    block: str
    """Name of the block within the connection: ``personio`` or ``declaree``."""
    name: str
    """Name of the field within the block."""
    address: str
    """The address that the secret is sent to."""

    @property
    def remedy(self) -> str:
        """The command that stores the secret again."""
        return f"`connections secrets {self.connection} --{self.block}`"

    def __str__(self) -> str:
        """The location for an error message, without the address."""
        return f"{self.connection}/{self.block}.{self.name}"


class Cipher:
    """Encrypts with the first key and decrypts with any of the keys.

    In a rotation the new key is put first, and the old key stays until every secret is sealed again.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Raises ``EncryptionKeyError`` without keys and for an invalid key."""
        if not keys:
            raise EncryptionKeyError(f"ENCRYPTION_KEYS is empty: {_MAKE_KEY}")
        decoded = [_decode(key.get_secret_value()) for key in keys]
        if any(len(key) != KEY_BYTES for key in decoded):
            raise EncryptionKeyError(f"ENCRYPTION_KEYS contains an invalid key: {_MAKE_KEY}")
        self._keys = [AESGCM(key) for key in decoded]

    def seal(self, location: SecretLocation, secret: SecretStr) -> str:
        """Returns the encrypted secret as a token for this location."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._keys[0].encrypt(nonce, secret.get_secret_value().encode(), _encode(location))
        return FORMAT + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, location: SecretLocation, token: object) -> SecretStr:
        """Returns the secret of a token.

        Raises ``EncryptionKeyError`` for a token in an unknown format, and if no key opens it at this location.
        """
        content = _decode(token.removeprefix(FORMAT)) if isinstance(token, str) and token.startswith(FORMAT) else b""
        if len(content) <= NONCE_BYTES:
            raise _build_format_error(location)
        nonce, sealed = content[:NONCE_BYTES], content[NONCE_BYTES:]
        for key in self._keys:
            with suppress(InvalidTag):
                return _read_text(location, key.decrypt(nonce, sealed, _encode(location)))
        raise EncryptionKeyError(
            f"the secret {location} does not open (its key is not in ENCRYPTION_KEYS, or it was stored for another "
            "connection, field or address): check the address with `connections list`, then add the key, or store the "
            f"secret again with {location.remedy}"
        )

    def reseal(self, location: SecretLocation, token: object) -> str:
        """Returns the same secret, encrypted with the first key. Raises ``EncryptionKeyError`` like ``open``."""
        return self.seal(location, self.open(location, token))


def _read_text(location: SecretLocation, content: bytes) -> SecretStr:
    try:
        return SecretStr(content.decode())
    except UnicodeDecodeError:  # a newer version may put other bytes into a token
        raise _build_format_error(location) from None


def _build_format_error(location: SecretLocation) -> EncryptionKeyError:
    return EncryptionKeyError(f"the secret {location} is in an unknown format: store it again with {location.remedy}")


def _encode(location: SecretLocation) -> bytes:
    """Returns the associated data of a location. JSON keeps the parts apart."""
    return json.dumps(location).encode()


def _decode(text: str) -> bytes:
    """Returns the bytes of base64 in either alphabet; none for other text."""
    try:
        return base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):  # ValueError for a character outside ASCII
        return b""
