"""A SCIM server with one account that accepts some fields and refuses or ignores others, in every way of writing."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import (
    Answer,
    Call,
    Found,
    PatchAccount,
    ReadAccount,
    ReplaceAccount,
    Resource,
    Written,
)
from services.provisioning.server import ServerMemory
from services.provisioning.states import Goal
from tests.unit.provisioning.accounts import build_account
from tests.unit.provisioning.driver import UNOWNED, Story, record

NO_REFUSALS: Mapping[str, Answer] = MappingProxyType({})


class FieldsServer:
    """The server. ``sent`` are the fields of each write, in order."""

    def __init__(
        self,
        live: Resource | None = None,
        *,
        refused: Mapping[str, Answer] = NO_REFUSALS,
        ignored: Collection[str] = (),
        is_silent: bool = False,
    ) -> None:
        """``refused`` answers a write with one of these fields. A field in ``ignored`` is not stored.

        With ``is_silent``, the answer to a write does not show the account.
        """
        self.live = live or build_account()
        self.sent: list[tuple[str, ...]] = []
        self._refused = refused
        self._ignored = ignored
        self._is_silent = is_silent

    def run(self, goal: Goal, memory: ServerMemory | None = None) -> Story:
        """Runs a reconciliation with this server."""
        return record(goal, lambda call: self._answer(call, dict(goal.desired.fields)), memory, UNOWNED)

    def _answer(self, call: Call, wanted: Mapping[str, Value]) -> Answer:
        if isinstance(call, ReadAccount):
            return Found((self.live,))
        assert isinstance(call, PatchAccount | ReplaceAccount), f"the account of this server is known: {call}"
        sent = tuple(path for path in wanted if self._is_changed_by(call, path))
        self.sent.append(sent)
        for path in sent:
            if path in self._refused:
                return self._refused[path]
        body = self.live.body
        for path in sent:
            if path not in self._ignored:
                body = paths.write(body, path, wanted[path])
        self.live = Resource(self.live.id, body)
        return Written(None if self._is_silent else self.live)

    def _is_changed_by(self, call: PatchAccount | ReplaceAccount, path: str) -> bool:
        if isinstance(call, ReplaceAccount):
            attribute = paths.parse(path)
            return bool(paths.read_attribute(call.body, attribute) != paths.read_attribute(self.live.body, attribute))
        names = {path, paths.parse(path).list_path, path.rpartition(".")[2]}
        return any(operation.get("path") in names or names & _list_members(operation) for operation in call.operations)


def _list_members(operation: Mapping[str, object]) -> frozenset[str]:
    """Returns the attributes of an operation without a path."""
    value = operation.get("value")
    return frozenset(value) if "path" not in operation and isinstance(value, Mapping) else frozenset()
