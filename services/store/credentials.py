"""Seals and opens the secrets in the document of a connection. Knows no collection."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import SecretStr

from services.contracts.connections import Connection
from services.store.collection import Document, to_model
from services.store.encryption import Cipher
from services.store.errors import StoreFailedError


class SecretField(NamedTuple):
    """The location of one secret within a connection."""

    block: str
    """Name of the block: ``personio`` or ``declaree``."""
    name: str
    """Name of the field within the block."""

    @property
    def path(self) -> str:
        """The path within the document, such as ``declaree.key``."""
        return f"{self.block}.{self.name}"


PERSONIO_SECRET = SecretField("personio", "client_secret")
"""Personio's client_secret."""
DECLAREE_KEY = SecretField("declaree", "key")
"""Declaree's API key."""
SECRET_FIELDS = (PERSONIO_SECRET, DECLAREE_KEY)
"""Every secret of a connection."""


class CredentialCodec:
    """Converts a connection to its document and back. The document holds each secret encrypted."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def to_document(self, connection: Connection) -> Document:
        """Returns the document with sealed secrets."""
        secrets = {field: getattr(getattr(connection, field.block), field.name) for field in SECRET_FIELDS}
        excluded: dict[str, Any] = {field.block: {field.name} for field in SECRET_FIELDS}
        document = connection.model_dump(mode="json", exclude={"id": True, **excluded})
        for field, secret in secrets.items():
            document[field.block][field.name] = self._seal(connection.id, field, secret)
        return {"_id": connection.id, **document}

    def to_connection(self, document: Document) -> Connection:
        """Returns the connection with open secrets.

        Raises ``EncryptionKeyError`` if a secret cannot be decrypted, ``StoreFailedError`` for an invalid document.
        """
        content = {**document, "id": document["_id"]}
        for field in SECRET_FIELDS:
            if not isinstance(content.get(field.block), dict):
                raise StoreFailedError(f"the stored connection {document['_id']} has no valid {field.block}")
            secret = self._cipher.open(_location(document["_id"], field), _read_token(document, field))
            content[field.block] = {**content[field.block], field.name: secret}
        return to_model(Connection, content)

    def seal(self, connection: str, secrets: Mapping[SecretField, SecretStr]) -> Document:
        """Returns the sealed secrets by their path in the document."""
        return {field.path: self._seal(connection, field, secret) for field, secret in secrets.items()}

    def reseal(self, document: Document) -> tuple[Document, Document]:
        """Returns the stored tokens and new ones, both by path. The first encryption key seals the new ones.

        Raises ``EncryptionKeyError`` if a secret cannot be decrypted.
        """
        stored = {field.path: _read_token(document, field) for field in SECRET_FIELDS}
        renewed = {
            field.path: self._cipher.reseal(_location(document["_id"], field), stored[field.path])
            for field in SECRET_FIELDS
        }
        return stored, renewed

    def _seal(self, connection: str, field: SecretField, secret: SecretStr) -> str:
        return self._cipher.seal(_location(connection, field), secret)


def _location(connection: str, field: SecretField) -> str:
    return f"{connection}/{field.path}"


def _read_token(document: Document, field: SecretField) -> object:
    block = document.get(field.block)
    return block.get(field.name) if isinstance(block, dict) else None
