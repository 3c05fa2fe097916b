"""The SCIM endpoint (RFC 7644) as a function from request to reply."""

import hmac
from urllib.parse import parse_qs

from sandbox.declaree import discovery
from sandbox.declaree.directory import Entry, Kind
from sandbox.declaree.documents import document, etag, listing, projected
from sandbox.declaree.errors import ScimError, invalid, not_found
from sandbox.declaree.message import Reply, Request, error_reply, json_reply
from sandbox.declaree.query import Query, find
from sandbox.declaree.state import Declaree

COLLECTIONS: dict[str, Kind] = {"Users": "User", "Groups": "Group"}

REFUSED_DELETE = {
    "forbidden": (403, "accounts cannot be deleted"),
    "not_allowed": (405, "accounts cannot be deleted"),
    "not_implemented": (501, "accounts cannot be deleted"),
}


def answer(declaree: Declaree, request: Request) -> Reply:
    try:
        _authenticate(declaree, request)
        return _route(declaree, request)
    except ScimError as error:
        return error_reply(error, declaree.behaviour)


def _authenticate(declaree: Declaree, request: Request) -> None:
    behaviour = declaree.behaviour
    sent = request.headers.get(behaviour.auth_header.casefold(), "")
    scheme, _, key = sent.partition(" ") if behaviour.auth_scheme else ("", "", sent)
    known = hmac.compare_digest(key.strip().encode(), declaree.api_key.encode())
    if not known or scheme.casefold() != behaviour.auth_scheme.casefold():
        challenge = ("WWW-Authenticate", f'{behaviour.auth_scheme or "Bearer"} realm="Declaree"')
        raise ScimError(401, "the API key is missing or wrong", headers=(challenge,))
    if not behaviour.key_is_admin:
        raise ScimError(403, "the user of this API key may not manage users")


def _route(declaree: Declaree, request: Request) -> Reply:
    parts = request.path.strip("/").split("/")
    match parts:
        case [("ServiceProviderConfig" | "Schemas" | "ResourceTypes"), *_] if len(parts) <= 2:
            return discovery.answer(declaree.behaviour, request, parts)
        case [("Users" | "Groups") as name] if name == "Users" or declaree.behaviour.groups:
            return _collection(declaree, request, COLLECTIONS[name])
        case ["Users", ".search"] if declaree.behaviour.search:
            return _search(declaree, request)
        case [".search"] | [_, ".search"] | ["Me"] | ["Bulk"]:
            raise ScimError(501, f"{request.path} is not supported")
        case [("Users" | "Groups") as name, entry_id] if name == "Users" or declaree.behaviour.groups:
            return _member(declaree, request, COLLECTIONS[name], entry_id)
    raise not_found(request.path)


def not_allowed(*methods: str) -> ScimError:
    return ScimError(405, "method not allowed", headers=(("Allow", ", ".join(methods)),))


def _collection(declaree: Declaree, request: Request, kind: Kind) -> Reply:
    match request.method:
        case "GET":
            return _list(declaree, request, kind, _query(request))
        case "POST":
            entry = declaree.registry.create(kind, request.json(), declaree.behaviour)
            return _reply(declaree, request, entry, 201)
    raise not_allowed("GET", "POST")


def _member(declaree: Declaree, request: Request, kind: Kind, entry_id: str) -> Reply:
    if request.method not in {"GET", "PUT", "PATCH", "DELETE"}:
        raise not_allowed("GET", "PUT", "PATCH", "DELETE")
    entry = declaree.registry.get(kind, entry_id)
    match request.method:
        case "GET":
            return _read(declaree, request, entry)
        case "PUT":
            _check_version(declaree, request, entry)
            return _reply(declaree, request, declaree.registry.replace(entry, request.json(), declaree.behaviour), 200)
        case "PATCH":
            return _patch(declaree, request, entry)
    return _delete(declaree, request, entry)


def _read(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    sent = request.headers.get("if-none-match")
    if declaree.behaviour.versions and sent is not None and _names(sent, entry):
        return Reply(304, headers=(("ETag", etag(entry)),), account_id=entry.id)
    return _reply(declaree, request, entry, 200)


def _patch(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    if not declaree.behaviour.patch:
        raise ScimError(501, "PATCH is not supported")
    _check_version(declaree, request, entry)
    changed = declaree.registry.patch(entry, request.json(), declaree.behaviour)
    if declaree.behaviour.patch_answer == 204 and "attributes=" not in request.query:
        return Reply(204, headers=_version_header(declaree, changed), account_id=entry.id)
    return _reply(declaree, request, changed, 200)


def _delete(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    refused = REFUSED_DELETE.get(declaree.behaviour.delete)
    if refused is not None and entry.kind == "User":
        status, detail = refused
        headers = (("Allow", "GET, PUT, PATCH"),) if status == 405 else ()
        raise ScimError(status, detail, headers=headers)
    _check_version(declaree, request, entry)
    declaree.directory.delete(entry)
    return Reply(204, account_id=entry.id)


def _check_version(declaree: Declaree, request: Request, entry: Entry) -> None:
    sent = request.headers.get("if-match")
    if declaree.behaviour.versions and sent is not None and not _names(sent, entry):
        raise ScimError(412, "the resource has changed on the server")


def _names(sent: str, entry: Entry) -> bool:
    """Weak comparison (RFC 9110, section 8.8.3.2): SCIM's versions are weak, and clients may drop the mark."""
    own = etag(entry).removeprefix("W/")
    return any(tag.strip().removeprefix("W/") in {own, "*"} for tag in sent.split(","))


def _version_header(declaree: Declaree, entry: Entry) -> tuple[tuple[str, str], ...]:
    return (("ETag", etag(entry)),) if declaree.behaviour.versions else ()


def _reply(declaree: Declaree, request: Request, entry: Entry, status: int) -> Reply:
    whole = document(entry, request.base_url, declaree.directory, declaree.behaviour)
    headers = _version_header(declaree, entry)
    if status == 201:
        headers = (("Location", whole["meta"]["location"]), *headers)
    if request.query:
        parameters = _parameters(request)
        whole = projected(
            whole, _names_in(parameters.get("attributes")), _names_in(parameters.get("excludedAttributes"))
        )
    return json_reply(status, whole, headers, entry.id)


def _list(declaree: Declaree, request: Request, kind: Kind, query: Query) -> Reply:
    directory, behaviour = declaree.directory, declaree.behaviour
    found = find(kind, query, directory, behaviour, declaree.clock())
    documents = [document(entry, request.base_url, directory, behaviour) for entry in found.entries]
    if query.attributes or query.excluded_attributes:
        documents = [projected(whole, query.attributes, query.excluded_attributes) for whole in documents]
    only = found.entries[0].id if len(found.entries) == 1 else None
    return json_reply(200, listing(documents, found.total, found.start_index), account_id=only)


def _search(declaree: Declaree, request: Request) -> Reply:
    if request.method != "POST":
        raise not_allowed("POST")
    payload = request.json()
    count = payload.get("count")
    query = Query(
        filter=_text(payload.get("filter")),
        start_index=_number(payload.get("startIndex", 1)),
        count=None if count is None else _number(count),
        attributes=_texts(payload.get("attributes")),
        excluded_attributes=_texts(payload.get("excludedAttributes")),
    )
    return _list(declaree, request, "User", query)


def _query(request: Request) -> Query:
    if not request.query:
        return Query()
    parameters = _parameters(request)
    count = parameters.get("count")
    return Query(
        filter=parameters.get("filter"),
        start_index=_number(parameters.get("startIndex", "1")),
        count=None if count is None else _number(count),
        attributes=_names_in(parameters.get("attributes")),
        excluded_attributes=_names_in(parameters.get("excludedAttributes")),
    )


def _parameters(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}


def _names_in(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise invalid("invalidSyntax", "filter and attributes are texts")
    return value


def _texts(values: object) -> tuple[str, ...]:
    found = [_text(value) for value in values] if isinstance(values, list) else []
    return tuple(value for value in found if value is not None)


def _number(text: object) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise invalid("invalidValue", "startIndex and count are numbers") from error
