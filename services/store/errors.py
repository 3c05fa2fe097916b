"""The errors of the store. No message contains a document's values, a secret or the URL of the database.

TransientError
└── StoreUnavailableError          MongoDB does not answer, or cannot confirm a write now
    └── StoreAccessError           MongoDB rejects the user
PermanentError
├── UnknownConnectionError         no connection has the id
├── DraftConflictError             another draft was saved in between
├── ExampleLimitError              too many pinned examples, or one that is too large
├── MappingConflictError           another mapping was published in between
└── ConfigurationError
    ├── EncryptionKeyError         ENCRYPTION_KEYS does not decrypt a stored secret
    ├── DuplicateConnectionError   the two systems are already connected
    └── StoreSetupError            MONGODB_URL or the kind of server does not work
ConnectorError
└── StoreFailedError               MongoDB rejects a command, or a stored document is invalid: a defect
"""

from typing import ClassVar

from services.contracts.ids import ConnectionId
from services.errors import ConfigurationError, ConnectorError, PermanentError, TransientError


class StoreUnavailableError(TransientError):
    """MongoDB does not answer, or cannot confirm a write now. The write may have happened."""

    code: ClassVar[str] = "store-unavailable"


class StoreAccessError(StoreUnavailableError):
    """MongoDB rejects the user. Work waits, as it does for a server that is down."""

    code: ClassVar[str] = "store-access"


class StoreSetupError(ConfigurationError):
    """The URL is invalid, or it leads to a kind of server that the product cannot use."""

    code: ClassVar[str] = "store-setup"


class StoreFailedError(ConnectorError):
    """MongoDB rejects a command, or a stored document has an invalid shape. The employee's data is not the cause."""

    code: ClassVar[str] = "store-failed"


class EncryptionKeyError(ConfigurationError):
    """The keys in ``ENCRYPTION_KEYS`` do not decrypt a stored secret, or one of them is invalid."""

    code: ClassVar[str] = "encryption-key"


class UnknownConnectionError(PermanentError):
    """A connection with this id does not exist."""

    code: ClassVar[str] = "unknown-connection"

    def __init__(self, connection: ConnectionId) -> None:
        """The message names the connection."""
        super().__init__(f"connection {connection} does not exist: `connections list` shows the existing ones")


class DuplicateConnectionError(ConfigurationError):
    """This Personio account is already connected with this Declaree administration."""

    code: ClassVar[str] = "duplicate-connection"

    def __init__(self, existing: ConnectionId | None, personio_client_id: str, declaree_url: str) -> None:
        """The message names the existing connection, or None if it was added at the same time, and both systems."""
        super().__init__(
            f"{f'connection {existing}' if existing else 'another connection'} already connects Personio client "
            f"{personio_client_id} with {declaree_url}: use that one, because two would overwrite each other's accounts"
        )


class DraftConflictError(PermanentError):
    """The draft of a mapping is not the one that the caller has seen."""

    code: ClassVar[str] = "draft-conflict"

    def __init__(self, connection: ConnectionId) -> None:
        """The message names the connection."""
        super().__init__(
            f"the draft of connection {connection} is not the one that you have seen: `mapping diff {connection}` shows it; "
            f"publish it, or name its revision with `--revision` to replace it: `mapping export {connection} --draft` "
            "prints the number"
        )


class ExampleLimitError(PermanentError):
    """An example is too large, or the connection has as many as it can have."""

    code: ClassVar[str] = "example-limit"


class MappingConflictError(PermanentError):
    """The published mapping is not the version that the caller has seen."""

    code: ClassVar[str] = "mapping-conflict"

    def __init__(self, connection: ConnectionId, version: int) -> None:
        """``version`` is the version that is published now."""
        super().__init__(
            f"version {version} of the mapping of connection {connection} was published in between: "
            "review it, then publish again"
        )
