"""The fields of an account that a rule of a mapping may write. Mapping documents and requested accounts are checked alike.

A target is allowed by its form: one attribute, or a part of it, with at most one schema URN and one filter. The attributes
that decide about identity, life cycle and rights are then excluded in every spelling. RFC 7643 defines all of them, so their
list is closed.
"""

import re
from functools import lru_cache

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
"""The SCIM enterprise extension (RFC 7643, section 4.3)."""
MANAGER = f"{ENTERPRISE}:manager.value"
"""Target of the manager ("Submits to" in Declaree). Its value is the manager's employee id. The writer replaces it by the id of
the manager's account."""
WORK_EMAIL = 'emails[type eq "work"].value'
"""SCIM path of the work e-mail."""

NOT_MAPPABLE = (
    *("active", "entitlements", "externalId", "groups", "id", "meta", "password", "roles", "schemas", "userName"),
    "x509Certificates",
)
"""Attributes that no rule may write: identity, life cycle, rights, and attributes that the server owns or hides. They are
excluded below the URN of an extension, too, because a server may ignore a URN that it does not know."""

_NOT_MAPPABLE = frozenset(name.lower() for name in NOT_MAPPABLE)
_MANAGERS = frozenset({"manager", "managerid"})
"""Attributes that name the manager, in lowercase; Declaree's own page has the second one."""
_RESERVED = _NOT_MAPPABLE | _MANAGERS | {"emails"}
"""Attributes that are not mappable in every form, in lowercase. No URN may end in one of them."""
_RIGHTS = frozenset({"entitlements", "externalid", "groups", "password", "roles", "username", "x509certificates"})
"""Attributes that decide about identity and rights also as a part of another one, in lowercase."""

_NAME = r"[a-z][\w$-]*"
_TARGET = re.compile(
    # the URN of the core schema, or of an extension: neither a second URN nor another core schema or message
    r"(?:urn:ietf:params:scim:schemas:core:2\.0:User:"
    r"|(?P<extension>urn(?!.*:(?:urn|schemas:core|scim:api):):[a-z0-9][a-z0-9-]*(?::[\w.~+-]+)+):)?"
    rf"(?P<attribute>{_NAME})"
    rf'(?:\[(?P<key>{_NAME}) eq "(?P<value>[^"\\\x00-\x1f]*)"\])?'
    r"(?:\.(?P<sub>[a-z$][\w$-]*))?",
    re.IGNORECASE | re.ASCII,
)
"""A target in any case (RFC 7644, figure 7). Names are ASCII, so no folding of a server gives them another meaning."""
_EMAIL_TYPE = re.compile(r"(?!work$)[a-z0-9_-]+", re.IGNORECASE | re.ASCII)
"""The type of an e-mail address that a rule may write."""


@lru_cache(maxsize=1024)
def find_misuse(target: str) -> str | None:
    """Returns why a field cannot be written by a rule; None if it can. Refuses ``MANAGER``, which only a mapping allows."""
    match = _TARGET.fullmatch(target)
    if match is None or match["attribute"].lower() == "user" or _names_attribute(match["extension"] or ""):
        return (
            f"{target!r} is not the path of a field: write a path such as name.givenName "
            'or phoneNumbers[type eq "mobile"].value'
        )
    attribute = match["attribute"].lower()
    if attribute in _MANAGERS:
        return f"{target} cannot be the target of a rule: for the manager, write {MANAGER}"
    parts = {(match[name] or "").lower() for name in ("key", "sub")}
    if (
        attribute in _NOT_MAPPABLE
        or not _RIGHTS.isdisjoint(parts)
        or (attribute == "emails" and not _is_other_email(match))
    ):
        return (
            f"{target} cannot be the target of a rule: it comes from the employee's id, e-mail or status, "
            "or Declaree or its administrator sets it"
        )
    return None


def identify_field(target: str) -> tuple[str, ...]:
    """Returns the field of a target in a form that is equal for every spelling of it."""
    match = _TARGET.fullmatch(target)
    if match is None:
        return (target,)
    parts = match.groupdict(default="")
    sub = parts["sub"] or ("value" if parts["key"] else "")
    return tuple(part.lower() for part in (parts["extension"], parts["attribute"], parts["key"], parts["value"], sub))


def _names_attribute(urn: str) -> bool:
    """Whether a URN ends in a reserved attribute, or has one behind the resource: a server may end the URN before it."""
    segments = urn.lower().split(":")
    behind = segments[segments.index("user") + 1 :] if "user" in segments else []
    return not _RESERVED.isdisjoint({segments[-1], *behind})


def _is_other_email(match: re.Match[str]) -> bool:
    """Whether the target is the address of an e-mail that is not the work e-mail, named by its type."""
    return (
        (match["key"] or "").lower() == "type"
        and _EMAIL_TYPE.fullmatch(match["value"]) is not None
        and (match["sub"] or "value").lower() in {"value", "display"}
    )
