"""Switches for everything about Declaree that its vendor does not document.

The defaults follow the vendor's public pages, or the needs of the identity providers that the vendor supports.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.declaree.rate_limit import QuotaHeaders, RetryAfterForm

AnswerForm = Literal[
    "plain",
    "utf8_encoding",
    "gzip",
    "x_gzip",
    "gzip_members",
    "deflate",
    "latin1",
    "undeclared_latin1",
    "large_header",
    "many_headers",
]
"""Forms of answers; ``answer_forms`` has the changes of each."""


class Behaviour(BaseModel):
    """All switches of one sandbox. The model is frozen, so a change at run time replaces the whole object."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scim_media_type: bool = True
    """Whether ``application/scim+json`` is accepted. If false, it gets 415, and answers are ``application/json``."""
    trailing_slash: Literal["optional", "required"] = "optional"
    """Whether a path may lack its last slash. If not, it gets a redirect 308 to the path with the slash."""

    answer_form: AnswerForm = "plain"
    """Form of every answer: its content coding, its character set, or additional headers.

    ``utf8_encoding`` names UTF-8 as content coding, ``gzip_members`` is a gzip of two members, ``large_header`` has a
    header of 9 KB, and ``many_headers`` has 150 headers.
    """

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
    rename_changes_id: bool = False
    """Whether an account gets a new id with a new user name. References to the old id lead nowhere."""
    email_types: bool = True
    """Whether the type of an e-mail address is stored."""
    lower_case_emails: bool = False
    """Whether e-mail addresses are stored in lower case."""
    lower_case_user_names: bool = False
    """Whether user names are stored in lower case."""
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

    put_needs_id: bool = False
    """Whether a PUT needs the account's ``id`` in its body. If true, a PUT without it gets 400."""
    patch_routed: bool = True
    """Whether PATCH reaches the endpoint. If false, it gets 404 with an HTML page."""
    patch: bool = True
    """Whether PATCH is supported. If false, it gets 501."""
    patch_answer: Literal[200, 204] = 200
    """Status of a successful PATCH: 200 with the resource, or 204 without a body."""
    unmatched_value_path: Literal["no_target", "create"] = "no_target"
    """Result of a PATCH path with a filter that matches no value: an error, or a new value."""
    refused_operators: tuple[Literal["add", "replace", "remove"], ...] = ()
    """Operators of PATCH that get 501."""
    bare_extension_path: bool = True
    """Whether a PATCH path may be the identifier of an extension. If false, it gets 400 ``invalidPath``."""
    replace_of_absent_part: Literal["allowed", "no_target", "error"] = "allowed"
    """Result of ``replace`` for a part of a complex attribute without value: as ``add``, 400 ``noTarget``, or 500.

    An example is ``manager.value`` of an account without manager.
    """
    replace_by_value_path: Literal["allowed", "no_target", "error"] = "allowed"
    """Result of ``replace`` for a part of the values that a filter selects: allowed, 400 ``noTarget``, or 500.

    An example is ``emails[type eq "work"].value``. The last two also refuse values that exist.
    """

    filters: Literal["basic", "full", "none", "not_implemented", "ignored"] = "basic"
    """Supported filters: equality of identifying attributes, or the full grammar.

    The others support none: they answer 400 ``invalidFilter`` or 501, or list all resources.
    """
    no_match_status: Literal[200, 404] = 200
    """Status of a search with a filter that nothing matches: an empty list, or an error."""
    plain_list_status: Literal[200, 400, 500] = 200
    """Status of a list without a filter."""
    list_attributes: tuple[str, ...] = ()
    """Attributes that lists and searches show beside the id; empty for all."""
    repeat_first: bool = False
    """Whether each list contains its first resource twice."""
    external_id_filter: bool = True
    """Whether a filter can use ``externalId``."""
    search: bool = False
    """Whether ``POST /Users/.search`` exists."""
    search_lag_seconds: float = Field(default=0.0, ge=0)
    """Seconds for which no search returns a new account."""
    read_lag_seconds: float = Field(default=0.0, ge=0)
    """Seconds for which neither a search nor a read by id returns a new account."""

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
    refused_attributes: tuple[str, ...] = ()
    """Paths, such as ``title``, ``name.middleName`` or ``<extension>:manager``, that make a write fail."""
    refused_attributes_status: Literal[400, 500] = 400
    """Status of a write with a refused attribute: 400 ``invalidValue``, or 500."""
    immutable_attributes: tuple[Literal["userName", "externalId"], ...] = ()
    """Attributes with a value that clients cannot change. A change gets 400 ``mutability``."""
    ignore_disabling: bool = False
    """Whether ``active: false`` is accepted from clients without effect on an enabled account."""
    protected_roles: tuple[str, ...] = ()
    """Roles of enabled accounts that clients cannot disable."""
    protected_status: Literal[409, 423] = 409
    """Status of a write that would disable an account with a protected role."""
    failing_accounts: tuple[str, ...] = ()
    """Ids, external ids and user names of accounts that clients cannot write. Every write gets 500."""
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
    window_limit: int | None = Field(default=None, gt=0)
    """Requests in a window of ``window_seconds`` above which a request gets 429; None means no limit."""
    window_seconds: float = Field(default=60.0, gt=0)
    """Length of a window in seconds. A 429 names the time until the next window."""
    retry_after_as: RetryAfterForm = "seconds"
    """Form of Retry-After in a 429 above a limit."""
    quota_headers: QuotaHeaders = "none"
    """Headers of each answer that tell how many requests are left in the window."""
    latency_seconds: float = Field(default=0.0, ge=0)
    """Seconds that each answer takes."""
