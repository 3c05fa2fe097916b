"""What the answers of a system say beside their content. It contains no personal data."""

from typing import Self

from pydantic import AwareDatetime

from services.contracts.values import FrozenModel


class EndpointEnd(FrozenModel):
    """The announcement that an endpoint will end, in the headers ``Deprecation`` (RFC 9745) and ``Sunset`` (RFC 8594)."""

    path: str
    """Path of the endpoint, without ids."""
    is_deprecated: bool = False
    """Whether the vendor advises against the endpoint, or will do so."""
    deprecated_at: AwareDatetime | None = None
    """From when on the vendor advises against it; None if it names no time."""
    sunset_at: AwareDatetime | None = None
    """When the endpoint is expected to stop; None if the vendor names no time."""


class VendorNotes(FrozenModel):
    """What the answers to the requests of one run or one check said."""

    ends: tuple[EndpointEnd, ...] = ()
    """The announced ends of endpoints, one for each endpoint."""
    clock_ahead_seconds: float | None = None
    """Seconds by which the system's clock is ahead of ours, negative if it is behind; None without a usable header ``Date``."""
    requests_left: int | None = None
    """Number of requests that the system still accepts at present; None if it does not say so."""

    def add_ends(self, earlier: Self) -> Self:
        """Returns these notes, with the announced ends in earlier notes of endpoints that these do not know."""
        known = {end.path for end in self.ends}
        further = tuple(end for end in earlier.ends if end.path not in known)
        return self.model_copy(update={"ends": (*self.ends, *further)})
