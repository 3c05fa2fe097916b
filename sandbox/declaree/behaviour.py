"""Everything about Declaree that its vendor does not document, as switches.

The defaults are what the public pages state or what the identity providers supported by the vendor need.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Behaviour(BaseModel):
    """Frozen: a change at run time replaces the whole object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auth_header: str = "Authorization"
    auth_scheme: str = Field(default="Bearer", description="word before the key; empty: the key alone")
    key_is_admin: bool = Field(default=True, description="false: the key's user has no rights, every request gets 403")

    id_format: Literal["number", "uuid"] = "number"
    user_name_must_equal_email: bool = False
    external_id: Literal["stored", "ignored", "unique"] = "stored"
    delete: Literal["allowed", "forbidden", "not_allowed", "not_implemented"] = Field(
        default="not_allowed", description="204, 403, 405 or 501"
    )
    auto_invite: bool = False
    manager: Literal["must_exist", "ignored", "stored"] = Field(
        default="must_exist", description="what happens to a manager that is not the id of an account"
    )
    manager_by_email: bool = Field(default=False, description="true: manager.value is the manager's e-mail address")

    administrations: tuple[str, ...] = Field(
        default=("Muster Holding", "Muster GmbH", "Muster B.V."), min_length=1, description="the first is the parent"
    )
    administration_attribute: bool = Field(default=False, description="true: the custom attribute chooses it")
    leave_other_administrations: bool = Field(
        default=False, description="true: a write removes the account from the others that are not sticky"
    )

    groups: bool = True
    unique_group_names: bool = False

    patch: bool = Field(default=True, description="false: 501")
    patch_answer: Literal[200, 204] = 200
    unmatched_value_path: Literal["no_target", "create"] = "no_target"

    filters: Literal["basic", "full"] = "basic"
    external_id_filter: bool = True
    search: bool = Field(default=False, description="true: POST /Users/.search")
    search_lag_seconds: float = Field(default=0.0, ge=0, description="an account is found only this long after it came")

    max_page_size: int = Field(default=100, ge=1)
    ignore_start_index: bool = False

    service_provider_config: bool = True
    schemas: bool = True
    resource_types: bool = True

    unknown_attributes: Literal["drop", "refuse"] = "drop"
    versions: bool = Field(default=False, description="true: ETag, meta.version, If-Match and If-None-Match")

    error_body: Literal["scim", "empty", "html", "numeric_status"] = "scim"
    conflict_body: bool = Field(default=True, description="false: 409 comes without a body")
    rate_limit: float | None = Field(default=None, gt=0, description="requests a second, then 429")
