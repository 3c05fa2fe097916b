"""Permanent switches for what the vendor does not document, and for differences between Personio accounts."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.personio.catalogue import Language
from sandbox.personio.rendering import SupervisorForm


class Behaviour(BaseModel):
    """Switches of the sandbox.

    Each default is the documented behaviour. Where the vendor documents nothing, it is the behaviour that is harder for a client.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limits: bool = True
    """Whether the rate limits of API v1 apply."""
    retry_after_seconds: int | None = Field(None, ge=0)
    """Value of ``Retry-After`` in a 429 of the rate limits. None sends no header, since the vendor documents none."""
    authorization_header: bool = True
    """Whether successful responses repeat the token. Some endpoints and accounts do not send it."""
    send_expires_in: bool = True
    """Whether the response of ``/v1/auth`` contains ``expires_in``."""
    send_scope: bool = True
    """Whether the response of ``/v1/auth`` contains ``scope``."""
    query_string_credentials: Literal["refuse", "accept"] = "refuse"
    """Treatment of credentials in the query string of ``/v1/auth``."""
    above_maximum_limit: Literal["refuse", "cap"] = "refuse"
    """Treatment of a ``limit`` above 100: status 422, or a page of 100 employees."""
    updated_since_zone_minutes: int = 0
    """Offset from UTC, in minutes, of an ``updated_since`` without a time zone. The vendor does not document it."""
    visibility_delay_seconds: float = Field(0, ge=0)
    """Time until ``updated_since`` reports a change, because the vendor's filter is eventually consistent."""
    repeats_seconds: float = Field(0, ge=0)
    """Time before ``updated_since`` from which changes are reported as well."""
    misses_every: int = Field(0, ge=0)
    """Divisor of the employee ids that ``updated_since`` leaves out; 0 leaves out none."""
    flips_leave_a_mark: bool = False
    """Whether a status change on its effective date counts as a modification. The vendor does not document it."""
    language: Language = "en"
    """Language of the labels of system attributes."""
    supervisor: SupervisorForm = "id"
    """Content of the nested supervisor: the id only, or name and e-mail address as well."""
    latency_seconds: float = Field(0, ge=0)
    """Delay of every response."""
    deep_page_seconds: float = Field(0, ge=0)
    """Additional delay for every 100 records of ``offset``."""

    def copy_with(self, changes: dict[str, object]) -> "Behaviour":
        """Returns a copy with these changes. Raises pydantic's ``ValidationError`` for unknown or invalid switches."""
        return Behaviour.model_validate({**self.model_dump(), **changes})
