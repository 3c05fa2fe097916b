"""Whoever waits is told in words what for."""

import inspect

import pytest

from services.admin.causes import WORDS, in_words
from services.clients.declaree import errors
from services.store.errors import EncryptionKeyError
from services.writer.person import LedgerAwayError, WritesForbiddenError

DECLAREE = [name for name, _ in inspect.getmembers(errors, inspect.isclass) if name.startswith("Declaree")]


@pytest.mark.parametrize(
    "cause", [*DECLAREE, *(error.__name__ for error in (WritesForbiddenError, LedgerAwayError, EncryptionKeyError))]
)
def test_every_error_that_makes_people_wait_has_words(cause: str) -> None:
    assert in_words(cause) == WORDS[cause]


def test_a_sentence_stays_and_an_error_nobody_thought_of_is_named() -> None:
    assert in_words("the account keeps changing") == "the account keeps changing"
    assert in_words("KeyError") == "an unexpected error (KeyError): see the writer's log"
