"""The three discovery endpoints of RFC 7644, section 4, each of which may be missing."""

from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.documents import listing
from sandbox.declaree.errors import ScimError, not_found
from sandbox.declaree.message import Reply, Request, json_reply
from sandbox.declaree.schemas import GROUP, PUBLISHED, SERVICE_PROVIDER_CONFIG_URN, USER


def answer(behaviour: Behaviour, request: Request, parts: list[str]) -> Reply:
    """Raises 404 where the behaviour hides the endpoint, 403 for a filter (RFC 7644, section 4)."""
    name = parts[0]
    offered = {
        "ServiceProviderConfig": behaviour.service_provider_config and len(parts) == 1,
        "Schemas": behaviour.schemas,
        "ResourceTypes": behaviour.resource_types,
    }
    if not offered[name]:
        raise not_found(request.path)
    if request.method != "GET":
        raise ScimError(405, "method not allowed", headers=(("Allow", "GET"),))
    if "filter=" in request.query:
        raise ScimError(403, "discovery cannot be filtered")
    base = request.base_url
    if name == "ServiceProviderConfig":
        return json_reply(200, _service_provider_config(behaviour, base))
    documents = _schemas(base) if name == "Schemas" else _resource_types(behaviour, base)
    if len(parts) == 1:
        return json_reply(200, listing(list(documents.values()), len(documents), 1))
    found = documents.get(parts[1].casefold())
    if found is None:
        raise not_found(request.path)
    return json_reply(200, found)


def _schemas(base: str) -> dict[str, dict[str, Any]]:
    return {
        schema.urn.casefold(): schema.document()
        | {"meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema.urn}"}}
        for schema in PUBLISHED
    }


def _resource_types(behaviour: Behaviour, base: str) -> dict[str, dict[str, Any]]:
    kinds = (USER, GROUP) if behaviour.groups else (USER,)
    return {
        kind.name.casefold(): kind.document()
        | {"meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind.name}"}}
        for kind in kinds
    }


def _service_provider_config(behaviour: Behaviour, base: str) -> dict[str, Any]:
    return {
        "schemas": [SERVICE_PROVIDER_CONFIG_URN],
        "patch": {"supported": behaviour.patch},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": behaviour.max_page_size},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": behaviour.versions},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "API key",
                "description": "My Account, tab Declaree API, Generate Key",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }
