"""Finds out where a redirect leads (RFC 9110, section 15.4). The key of one server is never sent to another one. Pure."""

import re
from dataclasses import dataclass

import httpx

from services.clients.declaree.errors import DeclareeWrongAddressError

FOLLOWED = frozenset({301, 302, 307, 308})
"""Statuses that lead to the same resource at another address. 303 leads to another resource."""
_HOST = re.compile(r"[a-z0-9.-]{1,100}")


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect that may be followed."""

    url: str
    """The address to ask next."""
    has_slash: bool | None
    """Whether the new path ends with a slash, if only the slash has changed; None for any other change."""


def find_redirect(response: httpx.Response, url: str, *, is_write: bool) -> Redirect | None:
    """Returns where to send the request again; None if the response is not a redirect, or must not be followed.

    With 307 and 308, nothing was written (RFC 9110, sections 15.4.8 and 15.4.9). A write is also repeated after a 301
    that only adds or removes the slash at the end, because a router sent it. The query stays, because a server that
    drops the filter would answer with all users.
    Raises ``DeclareeWrongAddressError`` for a redirect to another server.
    """
    location = response.headers.get("Location")
    if response.status_code not in FOLLOWED or not location:
        return None
    current = httpx.URL(url)
    try:
        target = current.join(location)
        origin = _get_origin(target)
    except (httpx.InvalidURL, ValueError):  # also for a host that is not a name
        return None
    if origin != _get_origin(current):
        raise DeclareeWrongAddressError(
            f"Declaree redirects requests to another server ({response.status_code}{_show_origin(target)}): "
            "enter the address of the SCIM endpoint there"
        )
    path, _, query = current.raw_path.decode().partition("?")
    is_slash = target.path != current.path and target.path.rstrip("/") == current.path.rstrip("/")
    if is_write and response.status_code not in {307, 308} and not (is_slash and response.status_code == 301):
        return None
    if is_slash:
        path = path.rstrip("/") + ("/" if target.path.endswith("/") else "")
    else:
        path, _, new_query = target.raw_path.decode().partition("?")
        query = new_query or query
    new_url = f"{current.scheme}://{current.netloc.decode()}{path}" + (f"?{query}" if query else "")
    return Redirect(new_url, path.endswith("/") if is_slash else None)


def _get_origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Returns scheme, host and port (RFC 6454, section 4); None stands for the scheme's own port."""
    return url.scheme, url.host, url.port


def _show_origin(url: httpx.URL) -> str:
    """Returns the server's address for an administrator, without a path; empty for an unusual host."""
    return f", to {url.scheme}://{url.host}" if _HOST.fullmatch(url.host) else ""
