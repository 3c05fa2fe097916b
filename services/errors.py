"""Every error that the product raises on purpose, and the decision that each class carries.

    ConnectorError
    ├── TransientError           the cause is outside the event and may go away: retry, then wait
    └── PermanentError           a retry changes nothing until the data or the configuration changes
        └── ConfigurationError   a setting, credential or document must be corrected

Errors of the vendors (``services.clients``) and of the store are subclasses. They live beside the code that raises them.
A message says what happened, to which connection or person (by id), and what to do. It never contains a secret or
personal data. Each class has a stable ``code``: data, metrics and programs refer to the code, never to the class name.
"""

from typing import ClassVar


class ConnectorError(Exception):
    """Root of the tree; raised only as one of its subclasses."""

    code: ClassVar[str] = "connector"
    """Stable identifier of the error class: lowercase words joined by hyphens."""


class TransientError(ConnectorError):
    """The cause is outside the event and may go away."""

    code: ClassVar[str] = "transient"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """``retry_after`` is the number of seconds that the server asked to wait; None if it named no time."""
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(ConnectorError):
    """A retry changes nothing: a known person is rejected, an unreadable record becomes a dead letter."""

    code: ClassVar[str] = "permanent"


class ConfigurationError(PermanentError):
    """A setting, credential or document does not work; the message says what to correct."""

    code: ClassVar[str] = "configuration"
