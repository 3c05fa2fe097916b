"""Rules that an account or a group must satisfy before it is stored."""

from sandbox.declaree.attributes import ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry, list_emails
from sandbox.declaree.errors import bad_request, conflict
from sandbox.declaree.schemas import ENTERPRISE_URN
from sandbox.declaree.values import Resource, find_missing_attribute


def check_resource(
    kind: ResourceType, resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour
) -> Resource:
    """Returns the resource in the form to store. ``old`` is the entry that it replaces; None for a new resource.

    Raises ``ScimError`` of type ``invalidValue`` or ``uniqueness``.
    """
    path = find_missing_attribute(kind, resource)
    if path is not None:
        raise bad_request("invalidValue", f"{path} is required")
    if behaviour.external_id == "ignored":
        resource.pop("externalId", None)
    elif behaviour.external_id == "unique":
        _check_external_id(kind, resource, old, directory)
    if kind.name == "Group":
        _check_group(resource, old, directory, behaviour)
        return resource
    resource.setdefault("active", True)
    _normalize_identity(resource, behaviour)
    _check_identity(resource, old, directory, behaviour)
    return _resolve_manager(resource, old, directory, behaviour)


def _is_other(entry: Entry, old: Entry | None) -> bool:
    return old is None or entry.id != old.id


def _check_external_id(kind: ResourceType, resource: Resource, old: Entry | None, directory: Directory) -> None:
    external_id = resource.get("externalId")
    if external_id is None:
        return
    holders = directory.find_by_external_id("User" if kind.name == "User" else "Group", external_id)
    if any(_is_other(holder, old) for holder in holders):
        raise conflict("externalId is in use")


def _normalize_identity(resource: Resource, behaviour: Behaviour) -> None:
    """Brings the user name and the e-mail addresses into the form that this server stores."""
    if behaviour.lower_case_user_names:
        resource["userName"] = resource["userName"].lower()
    if behaviour.lower_case_emails:
        resource["emails"] = [{**item, "value": item["value"].lower()} for item in resource["emails"]]
    if not behaviour.email_types:
        untyped = ({name: part for name, part in item.items() if name != "type"} for item in resource["emails"])
        resource["emails"] = list(untyped)


def _check_identity(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> None:
    """Raises if another account has the user name or e-mail address. Case and administration do not matter."""
    addresses = list_emails(resource)
    user_name = resource["userName"]
    if behaviour.user_name_must_equal_email and user_name.casefold() not in {
        address.casefold() for address in addresses
    }:
        raise bad_request("invalidValue", "userName must be the e-mail address")
    if not behaviour.unique_user_names:
        return
    if any(_is_other(holder, old) for holder in directory.find_users_by_name(user_name)):
        raise conflict("userName is in use")
    if any(_is_other(holder, old) for address in addresses for holder in directory.find_users_by_email(address)):
        raise conflict("the e-mail address is in use")


def _resolve_manager(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> Resource:
    """Replaces the manager by an account id. A stored manager is not checked again, as its account may be deleted."""
    reference = _get_manager(resource)
    if reference is None or (old is not None and reference == _get_manager(old.resource)):
        return resource
    manager = directory.users.get(reference)
    if behaviour.manager_by_email:
        holders = directory.find_users_by_email(reference) or directory.find_users_by_name(reference)
        manager = holders[0] if holders else None
    if manager is None and behaviour.manager == "must_exist":
        raise bad_request("invalidValue", "manager.value is not an account")
    enterprise = dict(resource[ENTERPRISE_URN])
    if manager is not None:
        enterprise["manager"] = {"value": manager.id}
    elif behaviour.manager == "ignored":
        del enterprise["manager"]
    others = {name: value for name, value in resource.items() if name != ENTERPRISE_URN}
    return {**others, ENTERPRISE_URN: enterprise} if enterprise else others


def _get_manager(resource: Resource) -> str | None:
    value: str | None = resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value")
    return value


def _check_group(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> None:
    if behaviour.unique_group_names:
        name = resource["displayName"].casefold()
        others = (group for group in directory.groups.values() if _is_other(group, old))
        if any(group.resource["displayName"].casefold() == name for group in others):
            raise conflict("displayName is in use")
    if any(member.get("value") not in directory.users for member in resource.get("members", ())):
        raise bad_request("invalidValue", "a member is not an account")
