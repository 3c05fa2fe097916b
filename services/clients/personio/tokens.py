"""The access tokens of a process: each credential authenticates once in a token's life, however many polls there are.

``POST /v1/auth`` may be asked 60 times a minute: https://developer.personio.de/reference/auth.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field

from services.contracts.connections import PersonioAccess

MOST = 10_000
"""So many credentials are remembered; beyond, all are forgotten, and each authenticates once more."""


@dataclass(slots=True)
class Held:
    """The token of one credential, None before the first; ``ends`` is when it is to be renewed, on the clock."""

    token: str | None = field(default=None, repr=False)
    ends: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tokens:
    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def of(self, access: PersonioAccess) -> Held:
        """Another secret is another credential: its holder has to show that it is right."""
        credential = json.dumps([access.url, access.client_id, access.client_secret.get_secret_value()])
        key = hashlib.sha256(credential.encode()).hexdigest()
        if key not in self._held and len(self._held) >= MOST:
            self._held.clear()
        return self._held.setdefault(key, Held())
