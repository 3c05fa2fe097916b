"""API credentials with their whitelists, and the tokens issued for them."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hmac import compare_digest

from sandbox.personio.catalogue import DEFAULT_WHITELIST

TOKEN_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Credential:
    """API credential of a customer."""

    client_id: str
    """Client id, unique within the sandbox."""
    client_secret: str = field(repr=False)
    """Client secret in plain text."""
    whitelist: frozenset[str] = DEFAULT_WHITELIST
    """Keys of the attributes that the credential may read; ``id`` is always readable."""
    may_read_employees: bool = True
    """Whether the credential has the right to read employees."""


@dataclass(frozen=True, slots=True)
class Token:
    """Token of a credential. A repeated login returns the same token without a longer lifetime."""

    text: str = field(repr=False)
    """The token itself."""
    client_id: str
    """Client id of the credential."""
    expires: datetime
    """Time at which the token ends."""

    def get_seconds_left(self, now: datetime) -> int:
        """Returns the remaining lifetime in seconds; zero or negative for an expired token."""
        return round((self.expires - now).total_seconds())


def create_random_token() -> str:
    """Returns a new token in the vendor's form."""
    return f"papi-{secrets.token_urlsafe(48)}"


class Credentials:
    """All credentials by client id, in order of creation, and their tokens."""

    def __init__(
        self, credentials: Iterable[Credential], create_token: Callable[[], str] = create_random_token
    ) -> None:
        self._by_id = {credential.client_id: credential for credential in credentials}
        self._create_token = create_token
        self._current: dict[str, Token] = {}
        self._issued: dict[str, Token] = {}
        self._revoked: set[str] = set()

    def list_all(self) -> list[Credential]:
        """Returns all credentials."""
        return list(self._by_id.values())

    def get(self, client_id: str | None = None) -> Credential:
        """Returns a credential, or the first one if the client id is missing. Raises ``LookupError``."""
        credential = self._by_id.get(client_id) if client_id else next(iter(self._by_id.values()), None)
        if credential is None:
            raise LookupError(f"credential {client_id!r} not found")
        return credential

    def put(self, credential: Credential) -> None:
        """Adds a credential, or replaces the credential with the same client id."""
        self._by_id[credential.client_id] = credential

    def rotate(self, client_id: str, client_secret: str) -> None:
        """Replaces the secret of a credential and revokes its token. Raises ``LookupError``."""
        self.put(replace(self.get(client_id), client_secret=client_secret))
        self.revoke(client_id)

    def set_whitelist(self, client_id: str, keys: Iterable[str]) -> None:
        """Replaces the whitelist of a credential. Raises ``LookupError``."""
        self.put(replace(self.get(client_id), whitelist=frozenset(keys)))

    def revoke(self, client_id: str) -> None:
        """Revokes the current token of a credential, if it has one."""
        token = self._current.pop(client_id, None)
        if token is not None:
            self._revoked.add(token.text)

    def expire_all(self, now: datetime) -> None:
        """Ends the lifetime of all tokens."""
        self._current.clear()
        self._issued = {text: replace(token, expires=now) for text, token in self._issued.items()}

    def log_in(
        self, client_id: str, client_secret: str, now: datetime, lifetime: timedelta = TOKEN_LIFETIME
    ) -> Token | None:
        """Returns the current token, or a new one if it is missing or expired. Returns None for wrong credentials."""
        credential = self._by_id.get(client_id)
        if credential is None or not compare_digest(credential.client_secret.encode(), client_secret.encode()):
            return None
        token = self._current.get(client_id)
        if token is None or token.get_seconds_left(now) <= 0:
            token = Token(self._create_token(), client_id, now + lifetime)
            self._current[client_id] = self._issued[token.text] = token
        return token

    def is_revoked(self, text: str) -> bool:
        """Returns whether this token was revoked."""
        return text in self._revoked

    def is_expired(self, text: str, now: datetime) -> bool:
        """Returns whether this token was issued and has ended."""
        token = self._issued.get(text)
        return token is not None and token.get_seconds_left(now) <= 0

    def find_token(self, text: str, now: datetime) -> Token | None:
        """Returns a valid token, or None if it was never issued, was revoked, or has expired."""
        token = self._issued.get(text)
        if token is None or self.is_revoked(text) or token.get_seconds_left(now) <= 0:
            return None
        return token
