"""What keeps a change waiting at Declaree. All are transient: the change is right, the server or its key is not.

DeclareeUnavailableError    no answer, or a 5xx
DeclareeBusyError           429: the server asks for patience
DeclareeKeyRefusedError     401: the key is wrong or was generated anew
DeclareeForbiddenError      403: the key's user lacks a right
DeclareeWrongAddressError   a redirect or a web page instead of SCIM
"""

from services.errors import TransientError


class DeclareeUnavailableError(TransientError):
    pass


class DeclareeBusyError(TransientError):
    pass


class DeclareeKeyRefusedError(TransientError):
    pass


class DeclareeForbiddenError(TransientError):
    pass


class DeclareeWrongAddressError(TransientError):
    pass
