"""Switches for everything about Declaree that its vendor does not document.

The defaults follow the vendor's public pages, or the needs of the identity providers that the vendor supports.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Behaviour(BaseModel):
    """All switches of one sandbox. The model is frozen, so a change at run time replaces the whole object."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    auth_header: str = "Authorization"
    """Name of the header that carries the API key."""
    auth_scheme: str = "Bearer"
    """Word before the key; empty if the header holds the key alone."""
    key_is_admin: bool = True
    """Whether the key's user is an administrator. If false, every request gets 403."""

    dialect: Literal["rfc", "page", "page_strict"] = "rfc"
    """Forms that are understood: those of the RFC, also those of the vendor's page about SCIM, or only the page's.

    In both dialects of the page, a manager is shown as ``managerId``, the external id of the manager's account, and
    ``PUT /Users`` names its account in the body. The strict dialect rejects the RFC's PATCH paths into a complex
    attribute with ``invalidPath``, and ignores ``manager.value``.
    """

    id_format: Literal["number", "uuid"] = "number"
    """Form of new ids."""
    unique_user_names: bool = True
    """Whether user names and e-mail addresses are unique. If false, two accounts may share both."""
    user_name_must_equal_email: bool = False
    """Whether a user name that differs from the e-mail addresses is rejected."""
    external_id: Literal["stored", "ignored", "unique"] = "stored"
    """Whether ``externalId`` is stored, dropped, or stored and unique."""
    delete: Literal["allowed", "forbidden", "not_allowed", "not_implemented"] = "not_allowed"
    """Answer to DELETE: 204, 403, 405 or 501."""
    auto_invite: bool = False
    """Whether a new account is invited at once."""
    manager: Literal["must_exist", "ignored", "stored"] = "must_exist"
    """Treatment of a manager that is not the id of an account: rejected, dropped, or stored."""
    manager_by_email: bool = False
    """Whether ``manager.value`` is the manager's e-mail address instead of the id."""

    administrations: tuple[str, ...] = Field(default=("Muster Holding", "Muster GmbH", "Muster B.V."), min_length=1)
    """Names of all administrations. The first is the parent."""
    administration_attribute: bool = False
    """Whether the custom attribute chooses the administration."""
    leave_other_administrations: bool = False
    """Whether a write removes the account from other administrations that are not sticky."""

    groups: bool = True
    """Whether the group endpoint exists."""
    unique_group_names: bool = False
    """Whether two groups cannot share a name."""

    patch: bool = True
    """Whether PATCH is supported. If false, it gets 501."""
    patch_answer: Literal[200, 204] = 200
    """Status of a successful PATCH: 200 with the resource, or 204 without a body."""
    unmatched_value_path: Literal["no_target", "create"] = "no_target"
    """Result of a PATCH path with a filter that matches no value: an error, or a new value."""

    filters: Literal["basic", "full"] = "basic"
    """Supported filters: equality of identifying attributes, or the full grammar."""
    external_id_filter: bool = True
    """Whether a filter can use ``externalId``."""
    search: bool = False
    """Whether ``POST /Users/.search`` exists."""
    search_lag_seconds: float = Field(default=0.0, ge=0)
    """Seconds for which no search returns a new account."""

    max_page_size: int = Field(default=100, ge=1)
    """Maximum number of resources on a page."""
    ignore_start_index: bool = False
    """Whether every page starts at the first resource."""

    service_provider_config: bool = True
    """Whether the endpoint ``/ServiceProviderConfig`` exists."""
    schemas: bool = True
    """Whether the endpoint ``/Schemas`` exists."""
    resource_types: bool = True
    """Whether the endpoint ``/ResourceTypes`` exists."""

    unknown_attributes: Literal["drop", "refuse"] = "drop"
    """Whether attributes that no schema defines are dropped or rejected."""
    versions: bool = False
    """Whether ETag, ``meta.version``, If-Match and If-None-Match are supported."""
    advertise_versions: bool = True
    """Whether ``ServiceProviderConfig`` says that versions are supported, if they are."""
    version_matching: Literal["weak", "strict", "gzip_suffix", "weakened", "never"] = "weak"
    """Comparison of If-Match with the version.

    ``weak`` accepts the version that was sent. ``strict`` compares strictly, so the weak tags that are sent never match.
    With ``gzip_suffix`` a proxy inserts ``-gzip`` into the ETag header. With ``weakened`` a proxy adds ``W/`` to a
    strong tag, and the server compares strictly. ``never`` rejects every If-Match, also ``*``.
    """

    error_body: Literal["scim", "empty", "html", "numeric_status"] = "scim"
    """Body of an error: as the RFC defines it, empty, HTML, or with the status as a number."""
    conflict_body: bool = True
    """Whether a 409 has a body."""
    rate_limit: float | None = Field(default=None, gt=0)
    """Requests per second above which a request gets 429; None means no limit."""
