"""The SCIM endpoint (RFC 7644) as a function from request to reply."""

import hmac

from sandbox.declaree import discovery
from sandbox.declaree.dialect import find_replaced, read_patch, read_resource
from sandbox.declaree.directory import Entry, Kind
from sandbox.declaree.documents import build_document, build_list_response, select_attributes
from sandbox.declaree.errors import ScimError, bad_request, not_found
from sandbox.declaree.message import Reply, Request, build_error_reply, build_json_reply
from sandbox.declaree.parameters import parse_query, parse_search
from sandbox.declaree.patch_limits import check_patch
from sandbox.declaree.proxy import answer_early
from sandbox.declaree.query import Query, find, is_visible
from sandbox.declaree.registry import KINDS
from sandbox.declaree.restrictions import check_payload, restrict_change
from sandbox.declaree.state import Declaree
from sandbox.declaree.values import Resource
from sandbox.declaree.versions import build_version_header, check_version, is_unchanged

COLLECTIONS: dict[str, Kind] = {"Users": "User", "Groups": "Group"}
"""Resource types by path segment."""

REJECTED_DELETE = {
    "forbidden": (403, "accounts cannot be deleted"),
    "not_allowed": (405, "accounts cannot be deleted"),
    "not_implemented": (501, "accounts cannot be deleted"),
}
"""Status and detail of a rejected DELETE, by ``Behaviour.delete``."""


def answer(declaree: Declaree, request: Request) -> Reply:
    """Returns the reply to a request. SCIM errors become error replies."""
    early = answer_early(request, declaree.behaviour)
    if early is not None:
        return early
    try:
        _authenticate(declaree, request)
        return _route(declaree, request)
    except ScimError as error:
        return build_error_reply(error, declaree.behaviour)


def _authenticate(declaree: Declaree, request: Request) -> None:
    behaviour = declaree.behaviour
    header = request.headers.get(behaviour.auth_header.casefold(), "")
    scheme, _, key = header.partition(" ") if behaviour.auth_scheme else ("", "", header)
    is_valid = hmac.compare_digest(key.strip().encode(), declaree.api_key.encode())
    if not is_valid or scheme.casefold() != behaviour.auth_scheme.casefold():
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
            return _handle_collection(declaree, request, COLLECTIONS[name])
        case ["Users", ".search"] if declaree.behaviour.search:
            return _search(declaree, request)
        case [".search"] | [_, ".search"] | ["Me"] | ["Bulk"]:
            raise ScimError(501, f"{request.path} is not supported")
        case [("Users" | "Groups") as name, entry_id] if name == "Users" or declaree.behaviour.groups:
            return _handle_member(declaree, request, COLLECTIONS[name], entry_id)
    raise not_found(request.path)


def method_not_allowed(*methods: str) -> ScimError:
    """Returns the error 405 with the allowed methods."""
    return ScimError(405, "method not allowed", headers=(("Allow", ", ".join(methods)),))


def _handle_collection(declaree: Declaree, request: Request, kind: Kind) -> Reply:
    match request.method:
        case "GET":
            return _list(declaree, request, kind, parse_query(request))
        case "POST":
            payload = _read_resource(declaree, request, kind)
            check_payload(payload, None, declaree.behaviour)
            entry = declaree.registry.create(kind, payload, declaree.behaviour)
            return _build_reply(declaree, request, entry, 201)
        case "PUT" if kind == "User" and declaree.behaviour.dialect != "rfc":
            return _replace(declaree, request, find_replaced(request.read_json(), declaree.directory))
    raise method_not_allowed("GET", "POST")


def _handle_member(declaree: Declaree, request: Request, kind: Kind, entry_id: str) -> Reply:
    if request.method not in {"GET", "PUT", "PATCH", "DELETE"}:
        raise method_not_allowed("GET", "PUT", "PATCH", "DELETE")
    entry = declaree.registry.get(kind, entry_id)
    match request.method:
        case "GET":
            return _read(declaree, request, entry)
        case "PUT":
            return _replace(declaree, request, entry)
        case "PATCH":
            return _patch(declaree, request, entry)
    return _delete(declaree, request, entry)


def _read(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    lag = declaree.behaviour.read_lag_seconds
    if lag and not is_visible(entry, lag, declaree.clock()):
        raise not_found(f"{entry.kind} {entry.id}")
    if is_unchanged(request, entry, declaree.behaviour):
        return Reply(304, headers=build_version_header(entry, declaree.behaviour), account_id=entry.id)
    return _build_reply(declaree, request, entry, 200)


def _read_resource(declaree: Declaree, request: Request, kind: Kind) -> Resource:
    payload = request.read_json()
    return read_resource(payload, declaree.directory, declaree.behaviour) if kind == "User" else payload


def _replace(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    check_version(request, entry, declaree.behaviour)
    payload = _read_resource(declaree, request, entry.kind)
    if declaree.behaviour.put_needs_id and payload.get("id") != entry.id:
        raise bad_request("invalidValue", "id must be the id of the account")
    check_payload(payload, entry, declaree.behaviour)
    replaced = declaree.registry.replace(entry, payload, declaree.behaviour, restrict_change)
    return _build_reply(declaree, request, replaced, 200)


def _patch(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    if not declaree.behaviour.patch:
        raise ScimError(501, "PATCH is not supported")
    check_version(request, entry, declaree.behaviour)
    payload = request.read_json()
    if entry.kind == "User":
        payload = read_patch(payload, declaree.directory, declaree.behaviour)
    check_patch(payload, KINDS[entry.kind], entry, declaree.behaviour)
    check_payload(payload, entry, declaree.behaviour)
    changed = declaree.registry.patch(entry, payload, declaree.behaviour, restrict_change)
    if declaree.behaviour.patch_answer == 204 and "attributes=" not in request.query:
        return Reply(204, headers=build_version_header(changed, declaree.behaviour), account_id=entry.id)
    return _build_reply(declaree, request, changed, 200)


def _delete(declaree: Declaree, request: Request, entry: Entry) -> Reply:
    rejection = REJECTED_DELETE.get(declaree.behaviour.delete)
    if rejection is not None and entry.kind == "User":
        status, detail = rejection
        headers = (("Allow", "GET, PUT, PATCH"),) if status == 405 else ()
        raise ScimError(status, detail, headers=headers)
    check_version(request, entry, declaree.behaviour)
    declaree.directory.delete(entry)
    return Reply(204, account_id=entry.id)


def _build_reply(declaree: Declaree, request: Request, entry: Entry, status: int) -> Reply:
    document = build_document(entry, request.base_url, declaree.directory, declaree.behaviour)
    headers = build_version_header(entry, declaree.behaviour)
    if status == 201:
        headers = (("Location", document["meta"]["location"]), *headers)
    if request.query:
        query = parse_query(request)
        document = select_attributes(document, query.attributes, query.excluded_attributes)
    return build_json_reply(status, document, headers, entry.id)


def _list(declaree: Declaree, request: Request, kind: Kind, query: Query) -> Reply:
    directory, behaviour = declaree.directory, declaree.behaviour
    if query.filter is None and behaviour.plain_list_status != 200:
        raise ScimError(behaviour.plain_list_status, "a list needs a filter")
    result = find(kind, query, directory, behaviour, declaree.clock())
    if query.filter is not None and not result.total and behaviour.no_match_status == 404:
        raise not_found("a match of the filter")
    documents = [build_document(entry, request.base_url, directory, behaviour) for entry in result.entries]
    if behaviour.list_attributes:
        documents = [select_attributes(document, behaviour.list_attributes, ()) for document in documents]
    if query.attributes or query.excluded_attributes:
        documents = [select_attributes(document, query.attributes, query.excluded_attributes) for document in documents]
    single_id = result.entries[0].id if len(result.entries) == 1 else None
    return build_json_reply(200, build_list_response(documents, result.total, result.start_index), account_id=single_id)


def _search(declaree: Declaree, request: Request) -> Reply:
    if request.method != "POST":
        raise method_not_allowed("POST")
    return _list(declaree, request, "User", parse_search(request.read_json()))
