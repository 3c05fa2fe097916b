"""The discovery endpoints (RFC 7644, section 4). Each of the three can be switched off."""

from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.dialect import PAGE_ENTERPRISE_SCHEMA
from sandbox.declaree.documents import build_list_response
from sandbox.declaree.errors import ScimError, not_found
from sandbox.declaree.message import Reply, Request, build_json_reply
from sandbox.declaree.schemas import ENTERPRISE_SCHEMA, GROUP, PUBLISHED, SERVICE_PROVIDER_CONFIG_URN, USER


def answer(behaviour: Behaviour, request: Request, parts: list[str]) -> Reply:
    """Answers a discovery request. Raises ``ScimError``: 404 if the endpoint is switched off, 403 for a filter."""
    name = parts[0]
    enabled = {
        "ServiceProviderConfig": behaviour.service_provider_config and len(parts) == 1,
        "Schemas": behaviour.schemas,
        "ResourceTypes": behaviour.resource_types,
    }
    if not enabled[name]:
        raise not_found(request.path)
    if request.method != "GET":
        raise ScimError(405, "method not allowed", headers=(("Allow", "GET"),))
    if "filter=" in request.query:
        raise ScimError(403, "discovery cannot be filtered")
    base = request.base_url
    if name == "ServiceProviderConfig":
        return build_json_reply(200, _build_service_provider_config(behaviour, base))
    schemas = _build_schemas(behaviour, base)
    documents = schemas if name == "Schemas" else _build_resource_types(behaviour, base)
    if len(parts) == 1:
        return build_json_reply(200, build_list_response(list(documents.values()), len(documents), 1))
    if behaviour.dialect != "rfc":  # The vendor's page asks for the user schema among the resource types.
        documents = {USER.schema.urn.casefold(): schemas[USER.schema.urn.casefold()], **documents}
    document = documents.get(parts[1].casefold())
    if document is None:
        raise not_found(request.path)
    return build_json_reply(200, document)


def _build_schemas(behaviour: Behaviour, base: str) -> dict[str, dict[str, Any]]:
    enterprise = ENTERPRISE_SCHEMA if behaviour.dialect == "rfc" else PAGE_ENTERPRISE_SCHEMA
    documents = {
        schema.urn.casefold(): schema.to_document()
        | {"meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema.urn}"}}
        for schema in (enterprise if item is ENTERPRISE_SCHEMA else item for item in PUBLISHED)
    }
    if not behaviour.unique_user_names:
        for attribute in documents[USER.schema.urn.casefold()]["attributes"]:
            if attribute["name"] == "userName":
                attribute["uniqueness"] = "none"
    return documents


def _build_resource_types(behaviour: Behaviour, base: str) -> dict[str, dict[str, Any]]:
    kinds = (USER, GROUP) if behaviour.groups else (USER,)
    return {
        kind.name.casefold(): kind.to_document()
        | {"meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind.name}"}}
        for kind in kinds
    }


def _build_service_provider_config(behaviour: Behaviour, base: str) -> dict[str, Any]:
    return {
        "schemas": [SERVICE_PROVIDER_CONFIG_URN],
        "patch": {"supported": behaviour.patch},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {
            "supported": behaviour.filters not in {"none", "not_implemented"},
            "maxResults": behaviour.max_page_size,
        },
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": behaviour.versions and behaviour.advertise_versions},
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
