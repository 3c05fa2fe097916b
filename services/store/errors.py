"""What can go wrong with the store. Messages never hold a document's values, a secret or the database's URL.

TransientError
└── StoreUnavailableError       MongoDB does not answer, or cannot confirm a write at the moment
    └── StoreAccessError        MongoDB answers, and refuses the user
PermanentError
├── UnknownConnectionError
├── MappingConflictError        somebody else published meanwhile
└── ConfigurationError
    ├── EncryptionKeyError      what is stored cannot be read with ENCRYPTION_KEYS
    ├── DuplicateConnectionError
    └── StoreSetupError         MONGODB_URL or the server cannot work for us
ConnectorError
└── StoreFailedError            MongoDB refuses a command, or holds a document that we cannot read: a defect
"""

from services.errors import ConfigurationError, ConnectorError, PermanentError, TransientError


class StoreUnavailableError(TransientError):
    """MongoDB does not answer, or cannot confirm a write at the moment. A write may have happened all the same."""


class StoreAccessError(StoreUnavailableError):
    """MongoDB refuses the user; work waits for it as it waits for a server that is down."""


class StoreSetupError(ConfigurationError):
    """The URL, or the kind of server it leads to, cannot work for us."""


class StoreFailedError(ConnectorError):
    """MongoDB refuses a command of ours, or holds a document of another shape. Nobody's data is to blame."""


class EncryptionKeyError(ConfigurationError):
    """A stored secret cannot be read with the keys in ``ENCRYPTION_KEYS``, or these are no keys."""


class UnknownConnectionError(PermanentError):
    """There is no connection of this id."""


class DuplicateConnectionError(ConfigurationError):
    """This Personio account is connected with this Declaree administration already."""


class MappingConflictError(PermanentError):
    """The published mapping is not the one that the person who publishes has seen."""
