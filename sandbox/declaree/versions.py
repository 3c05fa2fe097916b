"""Versions of resources (RFC 7644, section 3.14), also as real servers and proxies change and compare them."""

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Entry
from sandbox.declaree.errors import ScimError
from sandbox.declaree.message import Request


def format_etag(entry: Entry, behaviour: Behaviour) -> str:
    """Returns the entity tag of the entry's version, as the server writes it into ``meta.version``."""
    tag = f'"{entry.version}"'
    return tag if behaviour.version_matching == "weakened" else f"W/{tag}"


def build_version_header(entry: Entry, behaviour: Behaviour) -> tuple[tuple[str, str], ...]:
    """Returns the ETag header, as it arrives at the client; empty without versions."""
    if not behaviour.versions:
        return ()
    tag = format_etag(entry, behaviour)
    match behaviour.version_matching:
        case "gzip_suffix":
            tag = f'{tag.removesuffix(chr(34))}-gzip"'
        case "weakened":
            tag = f"W/{tag}"
    return (("ETag", tag),)


def check_version(request: Request, entry: Entry, behaviour: Behaviour) -> None:
    """Raises ``ScimError`` 412 if the header If-Match does not match the entry's version."""
    header = request.headers.get("if-match")
    if not behaviour.versions or header is None:
        return
    is_strict = behaviour.version_matching in {"strict", "weakened"}
    if behaviour.version_matching == "never" or not _matches(header, entry, behaviour, is_strict=is_strict):
        raise ScimError(412, "the resource has changed on the server")


def is_unchanged(request: Request, entry: Entry, behaviour: Behaviour) -> bool:
    """Returns whether the header If-None-Match matches the entry's version."""
    header = request.headers.get("if-none-match")
    return behaviour.versions and header is not None and _matches(header, entry, behaviour, is_strict=False)


def _matches(header: str, entry: Entry, behaviour: Behaviour, *, is_strict: bool) -> bool:
    """Returns whether the header lists the entry's version.

    The comparison is weak (RFC 9110, section 8.8.3.2), because SCIM versions are weak and clients may drop the ``W/``.
    A strict comparison needs two strong tags, as RFC 9110 (section 13.1.1) has it for If-Match.
    """
    own = format_etag(entry, behaviour)
    tags = [tag.strip() for tag in header.split(",")]
    if "*" in tags:
        return True
    if is_strict:
        return not own.startswith("W/") and own in tags
    return own.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
