"""Every error of the product has a stable code, and every cause of waiting has a text."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import services
from services.clients.declaree import errors as declaree_errors
from services.contracts.outcomes import WaitingCause
from services.errors import ConnectorError


def import_all_modules() -> None:
    """Imports every module of the product, so that all of its classes exist."""
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def find_subclasses(parent: type[ConnectorError]) -> Iterator[type[ConnectorError]]:
    """Yields the class and all of its subclasses in the product, not those of tests."""
    yield parent
    for child in parent.__subclasses__():
        if child.__module__.startswith("services."):
            yield from find_subclasses(child)


import_all_modules()
ERRORS = sorted(set(find_subclasses(ConnectorError)), key=lambda error: f"{error.__module__}.{error.__name__}")
every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)


# ------------------------------------------------------------ codes


def test_errors_of_all_layers_are_found() -> None:
    """The other tests would prove nothing for an error that they do not find."""
    layers = {error.__module__.split(".")[1] for error in ERRORS}

    assert layers >= {"admin", "clients", "contracts", "errors", "poller", "runtime", "store", "writer"}


@every_error
def test_error_declares_its_own_code(error: type[ConnectorError]) -> None:
    """An inherited code would not distinguish the error from its parent."""
    assert isinstance(vars(error).get("code"), str), f"{error.__module__}.{error.__name__}"


@every_error
def test_code_has_the_form_of_an_identifier(error: type[ConnectorError]) -> None:
    """Codes are stored and used as labels of metrics."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)


def test_codes_are_unique() -> None:
    """A code names one class of errors."""
    codes = [error.code for error in ERRORS]

    assert [code for code in codes if codes.count(code) > 1] == []


# ------------------------------------------------------------ causes of waiting


@pytest.mark.parametrize("cause", WaitingCause)
def test_waiting_cause_has_a_text(cause: WaitingCause) -> None:
    """An administrator reads what happened and what to do."""
    assert re.fullmatch(r"[^:]+: [^:]+", cause.text)


def test_unknown_waiting_cause_is_read_as_unexpected() -> None:
    """An older version must be able to read what a newer version stored."""
    assert WaitingCause("invented-later") is WaitingCause.UNEXPECTED


def test_codes_of_declaree_errors_are_waiting_causes() -> None:
    """The code of the error becomes the cause of the changes that wait."""
    errors = [error for error in ERRORS if error.__module__ == declaree_errors.__name__]

    assert errors
    assert [error.code for error in errors if error.code not in set(WaitingCause)] == []
