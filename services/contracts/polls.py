"""How far the polls of a connection have come."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from services.contracts.mappings import EmploymentDates
from services.contracts.values import FrozenModel

PollTime: TypeAlias = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC))]
"""When a run started. An earlier time is damaged, and no overlap could be subtracted from one in the year 1."""


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

    released_until: PollTime
    """Start of the newest run with changes that were all released."""
    full_scan_at: PollTime
    """Start of the newest complete scan of all employees with changes that were all released."""
    basis: ScanBasis
    """What this scan has compared."""
