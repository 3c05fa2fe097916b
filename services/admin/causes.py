"""What people wait for, in words. The ledger notes the kind of error, which stays short and groups well in metrics."""

from collections.abc import Mapping
from types import MappingProxyType

_BY_ITSELF = "what waits is sent again by itself once it does"
_RIGHTS = "give the key's user administrative rights in Declaree"

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "DeclareeUnavailableError": f"Declaree does not answer; {_BY_ITSELF}",
        "LedgerAwayError": f"MongoDB did not answer; {_BY_ITSELF}",
        "NoAnswer": f"Declaree hangs and does not answer; {_BY_ITSELF}",
        "DeclareeBusyError": "Declaree asks for patience (429); what waits is sent again by itself",
        "DeclareeKeyRefusedError": "Declaree refuses the key (401): deposit the right one with `connections secrets`",
        "DeclareeForbiddenError": f"Declaree forbids it (403): {_RIGHTS}",
        "WritesForbiddenError": f"Declaree forbids the key to write (403): {_RIGHTS}",
        "DeclareeWrongAddressError": "what answers at Declaree's address is no SCIM server: see `connections check`",
        "EncryptionKeyError": "the stored key of Declaree fits none of ENCRYPTION_KEYS: add the one it was stored with, "
        "or deposit it again with `connections secrets`",
        "OutOfTime": "Declaree was too slow for the batch (WRITER_BATCH_SECONDS); what waits is sent again by itself",
    }
)
"""By the name of the error, or of what the writer calls it."""


def in_words(cause: str) -> str:
    """Other causes are a sentence already, or the name of an error that nobody has thought of."""
    if " " in cause:
        return cause
    return WORDS.get(cause, f"an unexpected error ({cause}): see the writer's log")
