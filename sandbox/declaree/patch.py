"""PATCH (RFC 7644, section 3.5.2) in the dialects of the RFC, of Okta and of Entra ID.

Operations work on a copy of the resource, so a rejected request changes nothing.
"""

from typing import Any

from sandbox.declaree.attributes import Attribute, ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.errors import UnknownAttributeError, bad_request
from sandbox.declaree.filters import Filter, make_item_lookup, split_comparisons
from sandbox.declaree.paths import PathTarget, resolve
from sandbox.declaree.values import SET_BY_SERVER, Resource, coerce, coerce_single

OPERATIONS = frozenset({"add", "replace", "remove"})


def apply_patch(kind: ResourceType, resource: Resource, payload: Any, behaviour: Behaviour) -> Resource:
    """Returns the resource after all operations. Raises ``ScimError`` for the first invalid operation."""
    result: Resource = _copy(resource)
    patch = _Patch(kind, result, behaviour)
    for operation in _read_operations(payload):
        patch.apply(operation)
    return {name: value for name, value in result.items() if value not in ({}, [])}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def _read_operations(payload: Any) -> list[Any]:
    if isinstance(payload, dict):
        for name, value in payload.items():
            if name.casefold() == "operations" and isinstance(value, list) and value:
                return value
    raise bad_request("invalidSyntax", "a PATCH needs Operations")


class _Patch:
    def __init__(self, kind: ResourceType, result: Resource, behaviour: Behaviour) -> None:
        self._kind = kind
        self._result = result
        self._refuse_unknown = behaviour.unknown_attributes == "refuse"
        self._create_unmatched = behaviour.unmatched_value_path == "create"

    def apply(self, operation: Any) -> None:
        if not isinstance(operation, dict):
            raise bad_request("invalidSyntax", "an operation must be an object")
        operator = str(operation.get("op", "")).casefold()
        if operator not in OPERATIONS:
            raise bad_request("invalidSyntax", "op must be add, replace or remove")
        path, value = operation.get("path"), operation.get("value")
        if path is not None and not isinstance(path, str):
            raise bad_request("invalidPath", "path must be a string")
        if path:
            self._apply_at(operator, path, value)
        elif operator == "remove":
            raise bad_request("noTarget", "remove needs a path")
        elif not isinstance(value, dict):
            raise bad_request("invalidValue", "an operation without a path needs an object of attributes")
        else:
            for name, item in value.items():
                if name.casefold() not in SET_BY_SERVER:
                    self._apply_at(operator, name, item)

    def _apply_at(self, operator: str, path: str, value: Any) -> None:
        try:
            target = resolve(self._kind, path)
        except UnknownAttributeError as error:
            if self._refuse_unknown:
                raise bad_request("invalidPath", f"unknown attribute {error}") from error
            return
        if target.attribute is None:
            self._apply_to_extension(operator, target, value)
            return
        if target.is_read_only:
            raise bad_request("mutability", f"{path} is read-only")
        _reject_removal_of_required(operator, target)
        urn = target.extension.urn if target.extension else None
        holder = self._result if urn is None else self._result.setdefault(urn, {})
        if target.condition is not None:
            self._apply_to_matches(holder, operator, target.attribute, target.condition, target.sub_attribute, value)
        elif target.sub_attribute is not None:
            self._apply_to_sub_attribute(holder, operator, target.attribute, target.sub_attribute, value)
        else:
            self._apply_to_attribute(holder, operator, target.attribute, value)

    def _apply_to_extension(self, operator: str, target: PathTarget, value: Any) -> None:
        if target.extension is None:
            return
        urn = target.extension.urn
        if operator == "remove" or value is None:
            self._result.pop(urn, None)
        elif not isinstance(value, dict):
            raise bad_request("invalidValue", f"{urn} needs an object of attributes")
        else:
            for name, item in value.items():
                if name.casefold() not in SET_BY_SERVER:
                    self._apply_at(operator, f"{urn}:{name}", item)

    def _coerce(self, attribute: Attribute, value: Any) -> Any:
        return coerce(attribute, value, refuse_unknown=self._refuse_unknown)

    def _apply_to_attribute(self, holder: Resource, operator: str, attribute: Attribute, value: Any) -> None:
        new = self._coerce(attribute, value)
        old = holder.get(attribute.name)
        if operator == "remove" and attribute.multi_valued and new and old:
            # Entra ID sends the values to remove instead of a filter.
            holder[attribute.name] = [item for item in old if not any(_is_same(item, removed) for removed in new)]
        elif operator == "add" and attribute.multi_valued and old:
            holder[attribute.name] = _append(old, new or [])
        elif operator == "remove" or new is None:
            holder.pop(attribute.name, None)
        elif attribute.type == "complex" and not attribute.multi_valued and old and isinstance(value, dict):
            cleared = {name.casefold() for name, item in value.items() if item is None}
            holder[attribute.name] = {name: item for name, item in old.items() if name.casefold() not in cleared} | new
        else:
            holder[attribute.name] = new

    def _apply_to_sub_attribute(
        self, holder: Resource, operator: str, attribute: Attribute, sub: Attribute, value: Any
    ) -> None:
        old = holder.get(attribute.name)
        if old is None and operator == "remove":
            return
        items = old if isinstance(old, list) else [old or {}]
        for item in items:
            self._set(item, operator, sub, value)
        remaining = [item for item in items if item]
        holder[attribute.name] = remaining if attribute.multi_valued else items[0]
        if not remaining:
            del holder[attribute.name]

    def _set(self, item: Resource, operator: str, sub: Attribute, value: Any) -> None:
        new = None if operator == "remove" else self._coerce(sub, value)
        name = sub.name
        if name == "$ref":  # The address is built from the id, so a written address is stored as the id at its end.
            name, new = "value", new and new.rsplit("/", 1)[-1]
        if new is None:
            item.pop(name, None)
        else:
            item[name] = new

    def _apply_to_matches(
        self,
        holder: Resource,
        operator: str,
        attribute: Attribute,
        condition: Filter,
        sub: Attribute | None,
        value: Any,
    ) -> None:
        items: list[Any] = holder.get(attribute.name, [])
        matched = [item for item in items if condition.matches(make_item_lookup(_to_object(item)))]
        if operator == "remove" and sub is None:
            holder[attribute.name] = [item for item in items if item not in matched]
            return
        if not matched and operator != "remove":
            matched = [self._create_value(attribute, condition)]
            items = [*items, *matched]
        for item in matched:
            if sub is not None:
                self._set(item, operator, sub, value)
            elif isinstance(item, dict):
                item.update(coerce_single(attribute, value, refuse_unknown=self._refuse_unknown) or {})
            else:
                items[items.index(item)] = coerce_single(attribute, value, refuse_unknown=self._refuse_unknown)
        holder[attribute.name] = _keep_one_primary([item for item in items if item], matched)

    def _create_value(self, attribute: Attribute, condition: Filter) -> Resource:
        """Returns a new value made from the filter. Entra ID expects this for a value that does not exist."""
        comparisons = split_comparisons(condition)
        if not self._create_unmatched or comparisons is None or attribute.type != "complex":
            raise bad_request("noTarget", f"no value of {attribute.name} matches")
        sub_values = {part.attribute: part.value for part in comparisons if part.operator == "eq"}
        return coerce_single(attribute, sub_values, refuse_unknown=self._refuse_unknown) or {}


def _reject_removal_of_required(operator: str, target: PathTarget) -> None:
    last = target.sub_attribute or (target.attribute if target.condition is None else None)
    if operator == "remove" and last is not None and last.required:
        raise bad_request("mutability", f"{last.name} is required")


def _to_object(item: Any) -> Resource:
    return item if isinstance(item, dict) else {"value": item}


def _is_same(item: Any, other: Any) -> bool:
    if isinstance(item, dict) and isinstance(other, dict):
        return bool(other) and all(item.get(name) == value for name, value in other.items())
    return bool(item == other)


def _append(old: list[Any], new: list[Any]) -> list[Any]:
    """Appends the new values. An equal value is not added twice (RFC 7644, section 3.5.2.1)."""
    added = [item for item in new if item not in old]
    return _keep_one_primary([*old, *added], added)


def _keep_one_primary(items: list[Any], written: list[Any]) -> list[Any]:
    """Clears ``primary`` on the other values if a written value is primary (RFC 7644, section 3.5.2)."""
    leader = next((item for item in written if isinstance(item, dict) and item.get("primary")), None)
    if leader is not None:
        for item in items:
            if item is not leader and item.get("primary"):
                item["primary"] = False
    return items
