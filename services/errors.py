"""Every error this product raises on purpose, and the decision that each carries.

    ConnectorError
    ├── TransientError      the cause lies outside the event and may go away: try again, then wait
    └── PermanentError      trying again changes nothing until a person or the data changes
        └── ConfigurationError   what an administrator or operator has set up does not work

Errors of the vendors (``services.clients``) and of the store subclass these and live beside the code that raises
them. A message says what happened, to which connection or person (by id) and what to do. It never holds a secret or
a person's data.
"""


class ConnectorError(Exception):
    """Root of the tree; raised only as one of its subclasses."""


class TransientError(ConnectorError):
    """The cause lies outside the event and may go away by itself.

    ``retry_after`` is the number of seconds that the other side asked us to wait, where it said so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(ConnectorError):
    """Trying again changes nothing: a known person is rejected, a record that cannot be read becomes a dead letter."""


class ConfigurationError(PermanentError):
    """Something that an administrator or operator has set up does not work; the message says what to change."""
