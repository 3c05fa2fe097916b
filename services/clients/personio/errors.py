"""What can go wrong with Personio.

PersonioUnavailableError  (transient)      no answer, 429, 5xx, or an answer that is not the API's
PersonioCredentialsError  (configuration)  the client_id/client_secret is refused
PersonioAddressError      (configuration)  the address leads elsewhere, or the headers cannot be sent
PersonioRefusedError      (permanent)      the credential lacks a right, or the request is not understood
"""

from services.errors import ConfigurationError, PermanentError, TransientError


class PersonioUnavailableError(TransientError):
    pass


class PersonioCredentialsError(ConfigurationError):
    pass


class PersonioAddressError(ConfigurationError):
    pass


class PersonioRefusedError(PermanentError):
    pass
