"""How far the polls of a connection have come."""

from pydantic import AwareDatetime

from services.contracts.values import FrozenModel


class PollProgress(FrozenModel):
    """Up to when the changes of a connection are released. The next incremental poll asks for later ones."""

    released_until: AwareDatetime
    """Start of the newest run with changes that were all released."""
    full_scan_at: AwareDatetime
    """Start of the newest complete scan of all employees with changes that were all released."""
    attributes: tuple[str, ...]
    """Keys of the attributes that this scan compared, in order. Parts have keys of their own."""
    source: str
    """Fingerprint of Personio's address and of the credential that this scan used."""
