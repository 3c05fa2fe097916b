"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256), several keys at a time so that they can be exchanged."""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from services.store.errors import EncryptionKeyError

_HOW = "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


class Cipher:
    """The first key encrypts, all of them decrypt; so a new key goes in front and the old one stays until ``reseal``.

    With the secret its place is encrypted, so that somebody who can write to the database cannot make one company's
    secret serve another.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise EncryptionKeyError(f"ENCRYPTION_KEYS is empty: {_HOW}")
        try:
            self._fernet = MultiFernet([Fernet(key.get_secret_value().strip()) for key in keys])
        except ValueError:
            raise EncryptionKeyError(f"ENCRYPTION_KEYS holds something that is no key: {_HOW}") from None

    def seal(self, place: str, secret: SecretStr) -> str:
        content = json.dumps({"at": place, "secret": secret.get_secret_value()})
        return self._fernet.encrypt(content.encode()).decode()

    def open(self, place: str, token: object) -> SecretStr:
        """Raises ``EncryptionKeyError`` where no key fits, or where the secret was sealed for another place."""
        try:
            content = json.loads(self._fernet.decrypt(str(token)))
        except InvalidToken:
            raise EncryptionKeyError(
                f"the secret {place} cannot be read: none of ENCRYPTION_KEYS is the key it was encrypted with; "
                "add that key, or enter the secret again"
            ) from None
        if content["at"] != place:
            raise EncryptionKeyError(f"the secret {place} was encrypted for another place: enter it again")
        return SecretStr(content["secret"])

    def reseal(self, place: str, token: object) -> str:
        """The same secret under the first key."""
        return self.seal(place, self.open(place, token))
