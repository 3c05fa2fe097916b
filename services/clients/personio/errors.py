"""Errors of Personio. The base class of each says whether a retry can help."""

from typing import ClassVar

from services.errors import ConfigurationError, PermanentError, TransientError

ADDRESS_HINT = "enter the address of Personio's API, such as https://api.personio.de"
"""Next step for an address that is not that of the API."""
RETRY_HINT = "the next poll tries again"
"""Next step for an error that may go away."""
REACH_HINT = f"{RETRY_HINT}; check the address with `connections list` if it remains"
"""Next step for a server that cannot be reached."""


class PersonioUnavailableError(TransientError):
    """Personio does not answer, answers with 429 or a server error, or the answer is not one of its API."""

    code: ClassVar[str] = "personio-unavailable"


class PersonioCredentialsError(ConfigurationError):
    """Personio refuses the client_id and client_secret."""

    code: ClassVar[str] = "personio-credentials"


class PersonioAddressError(ConfigurationError):
    """The address is not that of Personio's API, or a request cannot be sent to it."""

    code: ClassVar[str] = "personio-address"


class PersonioRefusedError(PermanentError):
    """The credential lacks a right, or Personio does not accept a request."""

    code: ClassVar[str] = "personio-refused"
