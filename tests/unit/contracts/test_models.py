"""The properties that all models of the contracts have in common."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import services.contracts
from services.contracts.events import DesiredAccount
from services.contracts.values import Value
from tests.support.builders import (
    DECLAREE,
    PERSONIO,
    make_change,
    make_connection,
    make_desired_account,
    make_entry,
    make_outcome,
    make_published_mapping,
    make_request,
    make_snapshot,
)

SECRET = "Ottilie.Geheim@example.com"


def find_models() -> Iterator[type[BaseModel]]:
    """Yields every model of the contracts; some of them more than once."""
    for module in pkgutil.iter_modules(services.contracts.__path__):
        for member in vars(importlib.import_module(f"services.contracts.{module.name}")).values():
            if isinstance(member, type) and issubclass(member, BaseModel) and member.model_fields:
                yield member


MODELS = sorted(set(find_models()), key=lambda model: model.__name__)
every_model = pytest.mark.parametrize(
    "make",
    [
        make_change,
        make_request,
        make_outcome,
        make_desired_account,
        make_published_mapping,
        make_connection,
        make_snapshot,
        make_entry,
        lambda: PERSONIO,
        lambda: DECLAREE,
    ],
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_has_the_common_configuration(model: type[BaseModel]) -> None:
    """Models are immutable, ignore unknown fields and do not quote input."""
    settings = {name: model.model_config.get(name) for name in ("frozen", "extra", "hide_input_in_errors")}

    assert settings == {"frozen": True, "extra": "ignore", "hide_input_in_errors": True}


@every_model
def test_fields_cannot_be_assigned(make: Callable[[], BaseModel]) -> None:
    """A change needs a copy."""
    instance = make()
    for name in type(instance).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(instance, name, getattr(instance, name))


@every_model
def test_unknown_field_is_ignored(make: Callable[[], BaseModel]) -> None:
    """A newer version may have added a field."""
    instance = make()
    content = instance.model_dump() | {"added_later": SECRET}

    assert type(instance).model_validate(content) == instance


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_validation_error_never_quotes_a_value(model: type[BaseModel]) -> None:
    """The error quotes keys to name the location; `read_event` keeps only the names of fields."""
    values: list[Any] = [[[SECRET]], {"key": {"key": SECRET}}, {"key": [[SECRET]]}, SECRET]

    results = [describe_error(model, dict.fromkeys(model.model_fields, value)) for value in values]
    errors = [error for error in results if error]

    assert errors
    assert not [error for error in errors if SECRET in error]


def describe_error(model: type[BaseModel], content: dict[str, Any]) -> str | None:
    """Returns all text of the validation error; None for valid content."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        return f"{error} {error!r}"
    return None


@pytest.mark.promise("P7")
def test_secrets_are_hidden_in_text_forms() -> None:
    """A connection may appear in a log or an error."""
    for text in (repr(make_connection()), str(make_connection()), make_connection().model_dump_json()):
        assert "secret-value" not in text
        assert "key-value" not in text

    assert PERSONIO.client_secret.get_secret_value() == "personio-secret-value"


# ------------------------------------------------------------ values

VALUES: TypeAdapter[Any] = TypeAdapter(Value)


@pytest.mark.parametrize(
    "value",
    [None, "", "text", "5", "true", True, False, 0, 1, -1, 2**70, 0.0, 1.0, 1e300, (), ("a", None, 1, 2.5, True)],
    ids=repr,
)
def test_value_keeps_its_type(value: Value) -> None:
    """The string "5" is not a number, 1 is not true, and 1.0 is not 1."""
    for copy in (VALUES.validate_python(value), VALUES.validate_json(VALUES.dump_json(value))):
        assert copy == value
        assert type(copy) is type(value)
        if isinstance(value, tuple) and isinstance(copy, tuple):
            assert [type(entry) for entry in copy] == [type(entry) for entry in value]


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, [[1]], [{"a": 1}], pytest.param(object(), id="object"), b"bytes"], ids=repr
)
def test_nested_or_foreign_object_is_not_a_value(value: object) -> None:
    """A value is a scalar or a list of scalars."""
    with pytest.raises(ValidationError):
        VALUES.validate_python(value)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("empty", ["external_id", "user_name"])
def test_forged_account_without_identity_is_refused(empty: str) -> None:
    """It would be found wherever an account has no external id."""
    content = {"external_id": "7", "user_name": "ada@nordlicht.example", "fields": {}}

    assert DesiredAccount.model_validate(content).fields == {}
    with pytest.raises(ValidationError, match=empty):
        DesiredAccount.model_validate(content | {empty: ""})
