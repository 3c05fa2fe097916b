"""What an account shall hold, as SCIM paths and values; its hash; and the smallest write that gets it there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.contracts.events import DesiredAccount
from services.contracts.ids import AccountId
from services.contracts.mappings import MANAGER, WORK_EMAIL
from services.contracts.model import Value
from services.provisioning import paths
from services.provisioning.calls import Body

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
READ_ONLY = ("id", "meta", "groups")
ADDRESSES = frozenset({"userName", WORK_EMAIL})
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Target:
    """The fields that must be so. Nothing else of the account is ever written."""

    fields: tuple[tuple[str, Value], ...]

    @property
    def hash(self) -> str:
        canonical = _canonical(sorted(self.fields))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, body: Body, *, spelling_sent: bool = False) -> "Target":
        """The part of this target that the live resource does not hold yet.

        With ``spelling_sent`` the user name and e-mail were sent as they are spelled here: a server that keeps them
        in another case does so for good, and is not written to again and again.
        """

        def holds(path: str, value: Value) -> bool:
            live = paths.read(body, path)
            if spelling_sent and path in ADDRESSES and isinstance(live, str) and isinstance(value, str):
                return live.casefold() == value.casefold()
            return _same(live, value)

        return Target(tuple((path, value) for path, value in self.fields if not holds(path, value)))

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self.fields)


DISABLED = Target((("active", False),))


def provisioned(desired: DesiredAccount, manager: AccountId | None) -> Target:
    """The target of an account that shall exist and be enabled.

    ``manager`` is the manager's account, None while that does not exist: then the field is left as it is.
    """
    fields: dict[str, Value] = {
        "externalId": desired.external_id,
        "userName": desired.user_name,
        WORK_EMAIL: desired.user_name,
        "active": True,
        **desired.fields,
    }
    if desired.manager is not None and desired.manager.employee_id is None:
        fields[MANAGER] = None
    elif manager is not None:
        fields[MANAGER] = manager
    return Target(tuple(fields.items()))


def new_resource(target: Target) -> Body:
    """The body of a ``POST /Users``."""
    body: Body = {"schemas": [CORE]}
    for path, value in target.fields:
        if value is not None:
            body = paths.write(body, path, value)
    return body


def replaced(body: Body, differences: Target) -> Body:
    """The body of a ``PUT``: what was last read with the differences in it, so that unknown attributes survive."""
    for path, value in differences.fields:
        body = paths.write(body, path, value)
    return {name: value for name, value in body.items() if name.lower() not in READ_ONLY}


def operations(body: Body, differences: Target) -> tuple[Body, ...]:
    """The operations of a ``PATCH``, one attribute each, in the dialect that all servers understand."""
    return tuple(_operation(body, path, value) for path, value in differences.fields)


def _operation(body: Body, text: str, value: Value) -> Body:
    path = paths.parse(text)
    plain: Any = list(value) if isinstance(value, tuple) else value
    if value is None:
        # an entry or reference without its value is nothing: the whole of it goes
        return {"op": "remove", "path": text.removesuffix(".value")}
    if path.key is not None and paths.entry_of(body, path) is None:
        return {"op": "add", "path": path.list_path, "value": [path.entry(plain)]}
    return {"op": "replace", "path": text, "value": plain}


def _same(live: Any, wanted: Value) -> bool:
    if isinstance(wanted, tuple):
        wanted_list = list(wanted)
        return bool((_plain(live) or []) == wanted_list)
    if isinstance(wanted, bool) and isinstance(live, str):
        return live.lower() == str(wanted).lower()
    return bool(live == wanted and isinstance(live, bool) == isinstance(wanted, bool))


def _plain(live: Any) -> Any:
    """The values of a list whose entries are objects with a ``value``."""
    if isinstance(live, list):
        return [entry.get("value", entry) if isinstance(entry, Mapping) else entry for entry in live]
    return live
