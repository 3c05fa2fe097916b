"""Request bodies of the control API."""

from pydantic import BaseModel, ConfigDict, Field


class KeyBody(BaseModel):
    """Request body for a new API key."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    key: str | None = Field(default=None, min_length=1)
    """The new key; None generates one."""


class OutageBody(BaseModel):
    """Request body that starts or ends an outage."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    on: bool
    """Whether every SCIM request gets 503."""


class SnapshotBody(BaseModel):
    """Request body for a snapshot."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name of the snapshot; an existing one is replaced."""


class EmailBody(BaseModel):
    """Request body for a new e-mail address."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    email: str = Field(min_length=1)
    """The new e-mail address and user name."""
