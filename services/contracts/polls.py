"""How far the polls of a connection have come."""

from pydantic import AwareDatetime

from services.contracts.mappings import EmploymentDates
from services.contracts.values import FrozenModel


class ScanBasis(FrozenModel):
    """What a scan compares, and with which credential. With another basis, a full scan is due."""

    attributes: tuple[str, ...]
    """Keys of the compared attributes, in order. Parts have keys of their own."""
    employment: EmploymentDates
    """The rules for the dates of employments."""
    source: str
    """Fingerprint of Personio's address and of the credential."""


class PollProgress(FrozenModel):
    """Up to when the changes of a connection are released. The next incremental poll asks for later ones."""

    released_until: AwareDatetime
    """Start of the newest run with changes that were all released."""
    full_scan_at: AwareDatetime
    """Start of the newest complete scan of all employees with changes that were all released."""
    basis: ScanBasis
    """What this scan has compared."""
