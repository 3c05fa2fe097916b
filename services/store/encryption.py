"""Encryption of secrets at rest with Fernet (AES-128-CBC and HMAC-SHA256). Several keys allow a rotation."""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from services.contracts.values import FrozenModel
from services.store.errors import EncryptionKeyError

_MAKE_KEY = "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


class _Content(FrozenModel):
    """What is encrypted."""

    at: str
    """Location of the secret."""
    secret: SecretStr
    """The secret."""


class Cipher:
    """Encrypts with the first key and decrypts with any of the keys.

    In a rotation the new key is put first, and the old key stays until every secret is sealed again.

    Each secret is encrypted together with its location. A secret that is copied to the connection of another company
    therefore does not open there.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Raises ``EncryptionKeyError`` without keys and for an invalid key."""
        if not keys:
            raise EncryptionKeyError(f"ENCRYPTION_KEYS is empty: {_MAKE_KEY}")
        try:
            self._fernet = MultiFernet([Fernet(key.get_secret_value().strip()) for key in keys])
        except ValueError:
            raise EncryptionKeyError(f"ENCRYPTION_KEYS contains an invalid key: {_MAKE_KEY}") from None

    def seal(self, location: str, secret: SecretStr) -> str:
        """Returns the encrypted secret as a token for this location."""
        content = json.dumps({"at": location, "secret": secret.get_secret_value()})
        return self._fernet.encrypt(content.encode()).decode()

    def open(self, location: str, token: object) -> SecretStr:
        """Returns the secret of a token.

        Raises ``EncryptionKeyError`` if none of the keys decrypts the token, if its content is of another version, or if it
        was sealed for another location.
        """
        try:
            decrypted = self._fernet.decrypt(str(token))
        except (InvalidToken, ValueError):  # ValueError for a character outside ASCII
            raise EncryptionKeyError(
                f"the secret {location} cannot be decrypted (none of ENCRYPTION_KEYS is its key): "
                "add that key, or enter the secret again"
            ) from None
        try:
            content = _Content.model_validate_json(decrypted)
        except ValueError:
            raise EncryptionKeyError(
                f"the secret {location} has a format of another version: upgrade, or enter the secret again"
            ) from None
        if content.at != location:
            raise EncryptionKeyError(f"the secret {location} was encrypted for another location: enter it again")
        return content.secret

    def reseal(self, location: str, token: object) -> str:
        """Returns the same secret, encrypted with the first key. Raises ``EncryptionKeyError`` like ``open``."""
        return self.seal(location, self.open(location, token))
