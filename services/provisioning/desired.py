"""The desired state of an account as SCIM paths and values, its hash, and its difference from the live account."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.contracts.addresses import fold_address
from services.contracts.events import DesiredAccount
from services.contracts.ids import AccountId
from services.contracts.mappings import MANAGER, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body

ADDRESSES = frozenset({"userName", WORK_EMAIL})
"""The fields that hold the e-mail address."""

_encode_canonically = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The fields that an account must have. No other field of the account is ever written."""

    fields: tuple[tuple[str, Value], ...]
    """Pairs of SCIM path and value; None clears the field."""

    @property
    def hash(self) -> str:
        """SHA-256 of the content as hex digits. The order of the fields makes no difference."""
        return hashlib.sha256(_encode_canonically(sorted(self.fields)).encode()).hexdigest()

    def difference(self, body: Body, *, is_spelling_sent: bool = False) -> "DesiredState":
        """Returns the fields that the live account in ``body`` does not have yet.

        With ``is_spelling_sent``, user name and e-mail were sent before in this spelling. Another case is then equal: the
        server keeps addresses in its own case, and a further write would change nothing.
        """

        def is_equal(path: str, value: Value) -> bool:
            live = paths.read(body, path)
            if is_spelling_sent and path in ADDRESSES and isinstance(live, str) and isinstance(value, str):
                return fold_address(live) == fold_address(value)
            return _is_same(live, value)

        return DesiredState(tuple((path, value) for path, value in self.fields if not is_equal(path, value)))

    @property
    def paths(self) -> tuple[str, ...]:
        """The SCIM paths of the fields, in order."""
        return tuple(path for path, _ in self.fields)


DISABLED = DesiredState((("active", False),))
"""The desired state of a disabled account."""


def build_enabled_state(desired: DesiredAccount, manager: AccountId | None) -> DesiredState:
    """Returns the desired state of an enabled account.

    ``manager`` is the manager's account. With None the field is left as it is, unless ``desired`` clears the manager.
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
    return DesiredState(tuple(fields.items()))


def _is_same(live: Any, desired: Value) -> bool:
    if isinstance(desired, tuple):
        return bool((_flatten(live) or []) == list(desired))
    if isinstance(desired, bool) and isinstance(live, str):
        return live.lower() == str(desired).lower()
    return bool(live == desired and isinstance(live, bool) == isinstance(desired, bool))


def _flatten(live: Any) -> Any:
    """Replaces the entries of a list by their ``value``, where they are objects that have one."""
    if isinstance(live, list):
        return [entry.get("value", entry) if isinstance(entry, Mapping) else entry for entry in live]
    return live
