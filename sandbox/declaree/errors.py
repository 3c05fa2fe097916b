"""What a SCIM request can be refused with (RFC 7644, section 3.12)."""

from typing import Literal

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"

ScimType = Literal[
    "invalidFilter", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue"
]


class ScimError(Exception):
    """A refusal: HTTP status, the RFC's error type where it has one, a text, and extra headers of the answer."""

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


def invalid(scim_type: ScimType, detail: str) -> ScimError:
    return ScimError(400, detail, scim_type)


def conflict(detail: str) -> ScimError:
    return ScimError(409, detail, "uniqueness")


def not_found(what: str) -> ScimError:
    return ScimError(404, f"{what} not found")


class UnknownAttributeError(Exception):
    """A path names an attribute that no schema has; dropped or refused, as the behaviour says."""
