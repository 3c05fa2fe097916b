"""Lasting switches for what the vendor leaves open, and for what accounts differ in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.personio.catalogue import Language
from sandbox.personio.rendering import SupervisorForm


class Behaviour(BaseModel):
    """The defaults are the documented behaviour, or where nothing is documented the one that is harder on a client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limits: bool = True
    retry_after_seconds: int | None = Field(None, ge=0)
    """Sent with a 429 of the rate limits; the vendor mentions no such header."""
    authorization_header: bool = True
    """Successful answers carry the token again; not all endpoints and accounts do that."""
    send_expires_in: bool = True
    send_scope: bool = True
    query_string_credentials: Literal["refuse", "accept"] = "refuse"
    above_maximum_limit: Literal["refuse", "cap"] = "refuse"
    """What ``limit`` above 100 leads to: 422, or a page of 100."""
    updated_since_zone_minutes: int = 0
    """How far the zone in which a naive ``updated_since`` is read is ahead of UTC; not documented."""
    visibility_delay_seconds: float = Field(0, ge=0)
    """How long a change stays invisible to ``updated_since``; it is eventually consistent."""
    repeats_seconds: float = Field(0, ge=0)
    """``updated_since`` also reports what changed so much earlier."""
    misses_every: int = Field(0, ge=0)
    """``updated_since`` leaves out employees whose id is a multiple of this; 0 is never."""
    flips_leave_a_mark: bool = False
    """Whether a status that flips on its date counts as a modification; not documented."""
    language: Language = "en"
    supervisor: SupervisorForm = "id"
    latency_seconds: float = Field(0, ge=0)
    deep_page_seconds: float = Field(0, ge=0)
    """Added for every 100 records of ``offset``."""

    def changed(self, changes: dict[str, object]) -> "Behaviour":
        """Raises pydantic's ``ValidationError``."""
        return Behaviour.model_validate({**self.model_dump(), **changes})
