"""API credentials with their whitelists, and the tokens given out for them."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hmac import compare_digest

from sandbox.personio.catalogue import DEFAULT_WHITELIST

TOKEN_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Credential:
    """``whitelist`` has the keys of the attributes that may be read; ``id`` may be read always."""

    client_id: str
    client_secret: str = field(repr=False)
    whitelist: frozenset[str] = DEFAULT_WHITELIST
    may_read_employees: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """``issued`` is the first issue: asking again gives the same token and no longer life."""

    text: str = field(repr=False)
    client_id: str
    issued: datetime

    def seconds_left(self, now: datetime) -> int:
        return round((self.issued + TOKEN_LIFETIME - now).total_seconds())


def random_token() -> str:
    return f"papi-{secrets.token_urlsafe(48)}"


class Credentials:
    """By client id, in the order in which they were made."""

    def __init__(self, credentials: Iterable[Credential], make_token: Callable[[], str] = random_token) -> None:
        self._by_id = {credential.client_id: credential for credential in credentials}
        self._make_token = make_token
        self._current: dict[str, Token] = {}
        self._known: dict[str, Token] = {}
        self._revoked: set[str] = set()

    def all(self) -> list[Credential]:
        return list(self._by_id.values())

    def get(self, client_id: str | None = None) -> Credential:
        """The first one when no id is given. Raises ``LookupError``."""
        found = self._by_id.get(client_id) if client_id else next(iter(self._by_id.values()), None)
        if found is None:
            raise LookupError(f"there is no credential {client_id!r}")
        return found

    def keep(self, credential: Credential) -> None:
        self._by_id[credential.client_id] = credential

    def rotate(self, client_id: str, client_secret: str) -> None:
        """The old secret and what was issued for it stop working. Raises ``LookupError``."""
        self.keep(replace(self.get(client_id), client_secret=client_secret))
        self.revoke(client_id)

    def release(self, client_id: str, keys: Iterable[str]) -> None:
        """Sets the whitelist. Raises ``LookupError``."""
        self.keep(replace(self.get(client_id), whitelist=frozenset(keys)))

    def revoke(self, client_id: str) -> None:
        token = self._current.pop(client_id, None)
        if token is not None:
            self._revoked.add(token.text)

    def log_in(self, client_id: str, client_secret: str, now: datetime) -> Token | None:
        """The current token, a new one if there is none or it has expired; None for wrong credentials."""
        credential = self._by_id.get(client_id)
        if credential is None or not compare_digest(credential.client_secret.encode(), client_secret.encode()):
            return None
        token = self._current.get(client_id)
        if token is None or token.seconds_left(now) <= 0:
            token = Token(self._make_token(), client_id, now)
            self._current[client_id] = self._known[token.text] = token
        return token

    def is_revoked(self, text: str) -> bool:
        return text in self._revoked

    def token(self, text: str, now: datetime) -> Token | None:
        """None when it was never issued, was revoked or has expired."""
        token = self._known.get(text)
        if token is None or self.is_revoked(text) or token.seconds_left(now) <= 0:
            return None
        return token
