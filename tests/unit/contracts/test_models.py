"""What all models that are stored or sent have in common."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import services.contracts
from services.contracts.events import Attribute
from services.contracts.model import Value
from tests.builders import changed, connection, desired, published, requested
from tests.stored import DECLAREE, PERSONIO, entry, outcome, snapshot

SECRET = "Ottilie.Geheim@example.com"


def models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.iter_modules(services.contracts.__path__):
        for member in vars(importlib.import_module(f"services.contracts.{module.name}")).values():
            if isinstance(member, type) and issubclass(member, BaseModel) and member.model_fields:
                yield member


MODELS = sorted(set(models()), key=lambda model: model.__name__)
one_of_each = pytest.mark.parametrize(
    "make",
    [
        changed,
        requested,
        outcome,
        desired,
        published,
        connection,
        snapshot,
        entry,
        lambda: PERSONIO,
        lambda: DECLAREE,
    ],
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_tolerant_and_discreet(model: type[BaseModel]) -> None:
    settings = {name: model.model_config.get(name) for name in ("frozen", "extra", "hide_input_in_errors")}
    assert settings == {"frozen": True, "extra": "ignore", "hide_input_in_errors": True}


@one_of_each
def test_nothing_of_a_model_can_be_assigned(make: Callable[[], BaseModel]) -> None:
    instance = make()
    for name in type(instance).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(instance, name, getattr(instance, name))


@one_of_each
def test_what_a_newer_version_has_added_is_ignored(make: Callable[[], BaseModel]) -> None:
    instance = make()
    content = instance.model_dump() | {"added_later": SECRET}
    assert type(instance).model_validate(content) == instance


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_validation_error_never_quotes_a_value(model: type[BaseModel]) -> None:
    """Keys it has to quote, to say where the error is: what is logged of it is the business of ``read_event``."""
    poisons: list[Any] = [[[SECRET]], {"key": {"key": SECRET}}, {"key": [[SECRET]]}, SECRET]
    errors = [error for error in (refusal(model, dict.fromkeys(model.model_fields, each)) for each in poisons) if error]
    assert errors
    assert not [error for error in errors if SECRET in error]


def refusal(model: type[BaseModel], content: dict[str, Any]) -> str | None:
    try:
        model.model_validate(content)
    except ValidationError as error:
        return f"{error} {error!r}"
    return None


def test_secrets_show_up_nowhere_but_when_asked_for() -> None:
    for shown in (repr(connection()), str(connection()), connection().model_dump_json()):
        assert "secret-value" not in shown
        assert "key-value" not in shown
    assert PERSONIO.client_secret.get_secret_value() == "personio-secret-value"


# ------------------------------------------------------------ values

VALUES: TypeAdapter[Any] = TypeAdapter(Value)


@pytest.mark.parametrize(
    "value",
    [None, "", "text", "5", "true", True, False, 0, 1, -1, 2**70, 0.0, 1.0, 1e300, (), ("a", None, 1, 2.5, True)],
    ids=repr,
)
def test_a_value_keeps_its_type_through_python_and_json(value: Value) -> None:
    """The text "5" is no number, 1 is not true and 1.0 not 1: what Personio sent is what everybody sees."""
    for read in (
        Attribute(value=value).value,
        Attribute.model_validate_json(Attribute(value=value).model_dump_json()).value,
    ):
        assert read == value
        assert type(read) is type(value)
        if isinstance(value, tuple) and isinstance(read, tuple):
            assert [type(entry) for entry in read] == [type(entry) for entry in value]


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, [[1]], [{"a": 1}], pytest.param(object(), id="object"), b"bytes"], ids=repr
)
def test_what_is_nested_or_no_json_is_no_value(value: object) -> None:
    with pytest.raises(ValidationError):
        VALUES.validate_python(value)
