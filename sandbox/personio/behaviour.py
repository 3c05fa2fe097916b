"""Permanent switches for what the vendor does not document, and for differences between Personio accounts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sandbox.personio.catalogue import Language
from sandbox.personio.effective_dates import find_zone
from sandbox.personio.rendering import SupervisorForm


def _check_zone(name: str) -> str:
    find_zone(name)
    return name


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
    max_query_bytes: int | None = Field(8192, ge=1)
    """Longest query string; None sets no limit. The vendor documents none, and servers usually accept 8 KiB."""
    long_query: Literal[414, 431] = 414
    """Status for a longer query string."""
    token_lifetime_seconds: float = Field(86400, gt=0)
    """Lifetime of new tokens."""
    expired_token: Literal["forbidden", "unauthorized"] = "forbidden"
    """Status for an expired token: 403 as for an unknown one, or 401 as for a revoked one."""
    updated_since: Literal["apply", "ignore", "empty", "refuse", "refuse_with_attributes"] = "apply"
    """Treatment of ``updated_since``: filter, return the whole list or nothing, or status 422, also only with ``attributes[]``."""
    updated_since_zone_minutes: int = 0
    """Offset from UTC, in minutes, of an ``updated_since`` without a time zone. The vendor does not document it."""
    visibility_delay_seconds: float = Field(0, ge=0)
    """Time until ``updated_since`` reports a change, because the vendor's filter is eventually consistent."""
    repeats_seconds: float = Field(0, ge=0)
    """Time before ``updated_since`` from which changes are reported as well."""
    misses_every: int = Field(0, ge=0)
    """Divisor of the employee ids that ``updated_since`` leaves out; 0 leaves out none."""
    list_ends_after: int | None = Field(None, ge=0)
    """Number of employees after which every list ends, below the total that it states; None lists all employees."""
    time_zone: Annotated[str, AfterValidator(_check_zone)] = "Europe/Berlin"
    """Time zone of the company, such as ``Europe/Berlin``: its day decides about statuses."""
    flip_hour: float = Field(0, ge=0, lt=24)
    """Hours after local midnight at which status changes of the day take effect."""
    flips_leave_a_mark: bool = False
    """Whether a status change on its effective date counts as a modification. The vendor does not document it."""
    language: Language = "en"
    """Language of the labels of system attributes."""
    supervisor: SupervisorForm = "id"
    """Content of the nested supervisor: the id only, or name and e-mail address as well."""
    deprecation: str | None = None
    """Value of the header ``Deprecation`` of every response, such as ``@1798761600``; None sends no header."""
    sunset: str | None = None
    """Value of the header ``Sunset`` of every response, such as ``Fri, 01 Jan 2027 00:00:00 GMT``; None sends no header."""
    date_offset_seconds: float = 0
    """Difference of the header ``Date`` from the clock of the sandbox; negative if ``Date`` is behind."""
    latency_seconds: float = Field(0, ge=0)
    """Delay of every response."""
    deep_page_seconds: float = Field(0, ge=0)
    """Additional delay for every 100 records of ``offset``."""

    def copy_with(self, changes: dict[str, object]) -> "Behaviour":
        """Returns a copy with these changes. Raises pydantic's ``ValidationError`` for unknown or invalid switches."""
        return Behaviour.model_validate({**self.model_dump(), **changes})
