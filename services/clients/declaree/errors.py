"""Errors of Declaree's SCIM server. They concern the connection, not an employee.

All of them are transient: the change is valid, and it waits until the server or its key works again. The code of each
class is the ``WaitingCause`` of the changes that it makes wait.
"""

from typing import ClassVar

from services.contracts.outcomes import WaitingCause
from services.errors import TransientError

ADDRESS_HINT = "enter the address of the SCIM endpoint, such as https://app.declaree.com/SCIM/v2"
"""Next step for an address that is not that of a SCIM server."""


class DeclareeUnavailableError(TransientError):
    """Declaree does not answer, or answers a lookup with a server error."""

    code: ClassVar[str] = WaitingCause.SERVER_UNAVAILABLE


class DeclareeRateLimitedError(TransientError):
    """Declaree limits the rate of requests (429). ``retry_after`` is the number of seconds to wait."""

    code: ClassVar[str] = WaitingCause.RATE_LIMITED


class DeclareeKeyRefusedError(TransientError):
    """Declaree refuses the key (401): it is wrong, or Declaree generated a new one."""

    code: ClassVar[str] = WaitingCause.KEY_REFUSED


class DeclareeForbiddenError(TransientError):
    """Declaree forbids the key's user to read accounts (403)."""

    code: ClassVar[str] = WaitingCause.FORBIDDEN


class DeclareeWrongAddressError(TransientError):
    """The answer is a redirect to another server or a web page, not one of a SCIM server."""

    code: ClassVar[str] = WaitingCause.WRONG_ADDRESS
