"""SCIM errors (RFC 7644, section 3.12)."""

from typing import Literal

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"

ScimType = Literal[
    "invalidFilter", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue"
]


class ScimError(Exception):
    """An error answer: HTTP status, detail text, optional SCIM error type, and additional headers."""

    def __init__(
        self,
        status: int,
        detail: str,
        scim_type: ScimType | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type
        self.headers = headers


def bad_request(scim_type: ScimType, detail: str) -> ScimError:
    """Returns the error 400 with a SCIM error type."""
    return ScimError(400, detail, scim_type)


def conflict(detail: str) -> ScimError:
    """Returns the error 409 for a value that another resource has."""
    return ScimError(409, detail, "uniqueness")


def not_found(subject: str) -> ScimError:
    """Returns the error 404 for a missing resource or path."""
    return ScimError(404, f"{subject} not found")


class UnknownAttributeError(Exception):
    """A path names an attribute that no schema defines. ``Behaviour.unknown_attributes`` decides the result."""
