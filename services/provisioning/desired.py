"""The desired state of an account as SCIM paths and values, its hash, and its difference from the live account."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from services.contracts.addresses import fold_address
from services.contracts.events import DesiredAccount
from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body
from services.provisioning.manager import ManagerAccount

ADDRESSES = frozenset({"userName", WORK_EMAIL})
"""The fields that hold the e-mail address."""
MANAGER_BY_EXTERNAL_ID = f"{ENTERPRISE}:manager.managerId"
"""The manager as on the vendor's page: the external id of the manager's account instead of the account's id."""
IDENTITY = frozenset({"externalId", *ADDRESSES, "active", "name.givenName", "name.familyName"})
"""The fields that make the account the employee's: they are written first, and no other field's refusal holds them back."""
OPTIONAL = frozenset({"externalId"})
"""Fields of the identity that a server need not keep: the account is then recognised by its id and its user name."""

_encode_canonically = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Change(NamedTuple):
    """The change of one field. A server may support one kind of change in a way of writing, and another kind not."""

    path: str
    """SCIM path of the field."""
    kind: Literal["add", "replace", "replace-list", "remove"]
    """Whether the field has no value yet, another one, one in a list without types, or is cleared."""


@dataclass(frozen=True)
class DesiredState:
    """The fields that an account must have. No other field of the account is ever written."""

    fields: tuple[tuple[str, Value], ...]
    """Pairs of SCIM path and value; None clears the field. The value of the manager is the id of the manager's account."""
    manager_external_id: str | None = None
    """The external id of the manager's account; None if it is unknown or no manager is written."""
    withdrawn: tuple[tuple[str, Value], ...] = ()
    """Pairs of SCIM path and value: a field that has this value is cleared. None of these paths is in ``fields``."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content as hex digits. The order of the fields makes no difference."""
        content = sorted(self.fields)
        return hash_value([content, sorted(self.withdrawn)] if self.withdrawn else content)

    def find_difference(self, body: Body, *, is_spelling_sent: bool = False) -> "DesiredState":
        """Returns the fields that the live account in ``body`` does not have yet, with those that are to be cleared.

        With ``is_spelling_sent``, user name and e-mail were sent before in this spelling. Another case is then equal: the
        server keeps addresses in its own case, and a further write would change nothing.
        """

        def is_equal(path: str, value: Value) -> bool:
            live = paths.read(body, path)
            if path == MANAGER and (by_external_id := paths.read(body, MANAGER_BY_EXTERNAL_ID)) is not None:
                return value is not None and bool(by_external_id == self.manager_external_id)
            if is_spelling_sent and path in ADDRESSES and isinstance(live, str) and isinstance(value, str):
                return fold_address(live) == fold_address(value)
            return _is_same(live, value)

        missing = [(path, value) for path, value in self.fields if not is_equal(path, value)]
        missing += [(path, None) for path, value in self.withdrawn if _is_same(paths.read(body, path), value)]
        return DesiredState(tuple(missing), self.manager_external_id)

    def list_changes(self, body: Body) -> tuple[Change, ...]:
        """Returns the change that each field means for the live account in ``body``."""

        def find_kind(path: str, value: Value) -> Literal["add", "replace", "replace-list", "remove"]:
            if value is None:
                return "remove"
            if paths.has_untyped_entry(body, paths.parse(path)):
                return "replace-list"
            return "add" if paths.read(body, path) is None else "replace"

        return tuple(Change(path, find_kind(path, value)) for path, value in self.fields)

    def select(self, wanted: Iterable[str]) -> "DesiredState":
        """Returns the fields with one of these paths."""
        names = frozenset(wanted)
        return self._keep([field for field in self.fields if field[0] in names])

    def drop(self, unwanted: Iterable[str]) -> "DesiredState":
        """Returns the fields without those with one of these paths."""
        names = frozenset(unwanted)
        return self._keep([field for field in self.fields if field[0] not in names]) if names else self

    def _keep(self, fields: Sequence[tuple[str, Value]]) -> "DesiredState":
        """Returns the state with these of its fields; itself if these are all."""
        is_whole = len(fields) == len(self.fields)
        return self if is_whole else DesiredState(tuple(fields), self.manager_external_id, self.withdrawn)

    def get(self, path: str) -> Value:
        """Returns the value at a path; None if the field is cleared or not written."""
        return dict(self.fields).get(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """The SCIM paths of the fields, in order."""
        return tuple(path for path, _ in self.fields)


DISABLED = DesiredState((("active", False),))
"""The desired state of a disabled account."""


def build_enabled_state(desired: DesiredAccount, manager: ManagerAccount | None) -> DesiredState:
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
        fields[MANAGER] = manager.id
    return DesiredState(
        tuple(fields.items()),
        manager.external_id if manager else None,
        tuple((path, value) for path, value in desired.withdrawn.items() if path not in fields),
    )


def hash_value(value: Any) -> str:
    """Returns the SHA-256 of a JSON value as hex digits."""
    return hashlib.sha256(_encode_canonically(value).encode(errors="surrogatepass")).hexdigest()


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
