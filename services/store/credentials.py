"""Seals and opens the secrets in the document of a connection. Knows no collection."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import SecretStr

from services.contracts.connections import Connection
from services.contracts.damage import DocumentKind
from services.store.collection import Document, to_model
from services.store.damage_notes import describe_problem
from services.store.encryption import Cipher, SecretLocation
from services.store.errors import EncryptionKeyError, StoreFailedError


class SecretField(NamedTuple):
    """The location of one secret within a connection."""

    block: str
    """Name of the block: ``personio`` or ``declaree``."""
    name: str
    """Name of the field within the block."""
    time: str
    """Name of the connection's field with the time at which the secret was stored."""

    @property
    def path(self) -> str:
        """The path within the document, such as ``declaree.key``."""
        return f"{self.block}.{self.name}"

    @property
    def address(self) -> str:
        """The path of the address that the secret is sent to, such as ``declaree.url``."""
        return f"{self.block}.url"


PERSONIO_SECRET = SecretField("personio", "client_secret", "personio_secret_at")
"""Personio's client_secret."""
DECLAREE_KEY = SecretField("declaree", "key", "declaree_key_at")
"""Declaree's API key."""
SECRET_FIELDS = (PERSONIO_SECRET, DECLAREE_KEY)
"""Every secret of a connection."""


class CredentialCodec:
    """Converts a connection to its document and back. The document holds each secret sealed for its location."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def to_document(self, connection: Connection) -> Document:
        """Returns the document with sealed secrets."""
        secrets = {field: getattr(getattr(connection, field.block), field.name) for field in SECRET_FIELDS}
        excluded: dict[str, Any] = {field.block: {field.name} for field in SECRET_FIELDS}
        document = {
            "_id": connection.id,
            **connection.model_dump(mode="json", exclude={"id": True, **excluded}),
        }
        for field, secret in secrets.items():
            document[field.block][field.name] = self._cipher.seal(_find_location(document, field), secret)
        return document

    def to_connection(self, document: Document) -> Connection:
        """Returns the connection with open secrets.

        Raises ``EncryptionKeyError`` if a secret does not open, ``StoreFailedError`` for an invalid document.
        """
        content = {**document, "id": document["_id"]}
        for field in SECRET_FIELDS:
            location = _find_location(document, field)
            block = document[field.block]
            content[field.block] = {**block, field.name: self._cipher.open(location, block.get(field.name))}
        return to_model(Connection, content)

    def find_problem(self, document: Document) -> str | None:
        """Returns why the connection cannot be used, and what to do; None if it can."""
        try:
            self.to_connection(document)
        except (EncryptionKeyError, StoreFailedError) as error:
            return describe_problem(DocumentKind.CONNECTION, error)
        return None

    def seal(self, document: Document, secrets: Mapping[SecretField, SecretStr]) -> Document:
        """Returns secrets by their path, sealed for the addresses in the document. Raises ``StoreFailedError``."""
        return {
            field.path: self._cipher.seal(_find_location(document, field), secret) for field, secret in secrets.items()
        }

    def reseal(self, document: Document) -> tuple[Document, Document]:
        """Returns the stored tokens and new ones, both by path. The first encryption key seals the new ones.

        Raises ``EncryptionKeyError`` if a secret does not open, ``StoreFailedError`` for an invalid document.
        """
        locations = {field: _find_location(document, field) for field in SECRET_FIELDS}
        stored = {field.path: document[field.block].get(field.name) for field in SECRET_FIELDS}
        renewed = {
            field.path: self._cipher.reseal(location, stored[field.path]) for field, location in locations.items()
        }
        return stored, renewed


def _find_location(document: Document, field: SecretField) -> SecretLocation:
    """Returns the location of a secret. Raises ``StoreFailedError`` without an address."""
    connection, block = document["_id"], document.get(field.block)
    address = block.get("url") if isinstance(block, dict) else None
    if not isinstance(connection, str) or not isinstance(address, str):
        raise StoreFailedError(f"the stored connection {connection} has no valid {field.address}: restore it")
    return SecretLocation(connection, field.block, field.name, address)
