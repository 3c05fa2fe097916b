"""Reads certificates of servers and clients from files in PEM format."""

import ssl

from pydantic import SecretStr


def check_certificates(path: str | None) -> str | None:
    """Returns the path of a file with CA certificates; None for an empty path. Raises ``ValueError`` if none can be read."""
    if not path:
        return None  # Compose passes an unset variable as an empty one
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # includes SSLError
        raise ValueError(f"no certificate can be read from this file ({type(error).__name__})") from None
    return path


def load_client_certificate(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: SecretStr | None
) -> None:
    """Lets a context show a client certificate. Raises ``OSError`` if certificate and key cannot be read together.

    Without ``keyfile``, the file of the certificate contains the key.
    """
    # without a password, OpenSSL would ask for it at the terminal
    context.load_cert_chain(certfile, keyfile or None, password.get_secret_value() if password else "")


def check_client_certificate(certfile: str, keyfile: str | None, password: SecretStr | None) -> None:
    """Raises ``ValueError`` if certificate and key cannot be read together."""
    try:
        load_client_certificate(ssl.create_default_context(), certfile, keyfile, password)
    except OSError as error:  # includes SSLError
        raise ValueError(
            f"no certificate with its private key can be read ({type(error).__name__}): "
            "check KAFKA_SSL_KEYFILE and KAFKA_SSL_KEY_PASSWORD"
        ) from None
