"""What Declaree demands of an account or a group before it stores it."""

from sandbox.declaree.attributes import ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Directory, Entry, emails
from sandbox.declaree.errors import conflict, invalid
from sandbox.declaree.schemas import ENTERPRISE_URN
from sandbox.declaree.values import Resource, missing


def checked(
    kind: ResourceType, resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour
) -> Resource:
    """The resource as it may be stored; ``old`` is the entry that it replaces, None for a new one.

    Raises ``invalidValue`` and ``uniqueness``.
    """
    path = missing(kind, resource)
    if path is not None:
        raise invalid("invalidValue", f"{path} is required")
    if behaviour.external_id == "ignored":
        resource.pop("externalId", None)
    elif behaviour.external_id == "unique":
        _check_external_id(kind, resource, old, directory)
    if kind.name == "Group":
        _check_group(resource, old, directory, behaviour)
        return resource
    resource.setdefault("active", True)
    _check_identity(resource, old, directory, behaviour)
    return _with_manager(resource, old, directory, behaviour)


def _is_other(found: Entry | None, old: Entry | None) -> bool:
    return found is not None and (old is None or found.id != old.id)


def _check_external_id(kind: ResourceType, resource: Resource, old: Entry | None, directory: Directory) -> None:
    external_id = resource.get("externalId")
    if external_id is None:
        return
    holders = directory.by_external_id("User" if kind.name == "User" else "Group", external_id)
    if any(_is_other(found, old) for found in holders):
        raise conflict("externalId is in use")


def _check_identity(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> None:
    """User name and e-mail are unique without regard to case, over all administrations."""
    addresses = emails(resource)
    user_name = resource["userName"]
    if behaviour.user_name_must_equal_email and user_name.casefold() not in {found.casefold() for found in addresses}:
        raise invalid("invalidValue", "userName must be the e-mail address")
    if _is_other(directory.user_by_name(user_name), old):
        raise conflict("userName is in use")
    if any(_is_other(directory.user_by_email(address), old) for address in addresses):
        raise conflict("the e-mail address is in use")


def _with_manager(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> Resource:
    """A manager that was stored before is not looked at again: it may have been deleted since."""
    wanted = _manager(resource)
    if wanted is None or (old is not None and wanted == _manager(old.resource)):
        return resource
    found = (
        directory.user_by_email(wanted) or directory.user_by_name(wanted)
        if behaviour.manager_by_email
        else directory.users.get(wanted)
    )
    if found is None and behaviour.manager == "must_exist":
        raise invalid("invalidValue", "manager.value is not an account")
    enterprise = dict(resource[ENTERPRISE_URN])
    if found is not None:
        enterprise["manager"] = {"value": found.id}
    elif behaviour.manager == "ignored":
        del enterprise["manager"]
    others = {name: value for name, value in resource.items() if name != ENTERPRISE_URN}
    return {**others, ENTERPRISE_URN: enterprise} if enterprise else others


def _manager(resource: Resource) -> str | None:
    value: str | None = resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value")
    return value


def _check_group(resource: Resource, old: Entry | None, directory: Directory, behaviour: Behaviour) -> None:
    if behaviour.unique_group_names:
        name = resource["displayName"].casefold()
        others = (found for found in directory.groups.values() if _is_other(found, old))
        if any(found.resource["displayName"].casefold() == name for found in others):
            raise conflict("displayName is in use")
    if any(member.get("value") not in directory.users for member in resource.get("members", ())):
        raise invalid("invalidValue", "a member is not an account")
