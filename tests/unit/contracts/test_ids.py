"""The key of a person, from and to text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from tests.unit.contracts import strategies

CONNECTIONS = st.text(min_size=1).filter(lambda text: "/" not in text)


@strategies.repeatable
@given(CONNECTIONS, st.text(min_size=1))
@example("c", "7/8/")
def test_key_of_any_person_is_read_as_written(connection: str, employee: str) -> None:
    """An employee id may contain a slash; a connection id, which the product generates, does not."""
    key = PersonKey(ConnectionId(connection), EmployeeId(employee))

    assert PersonKey.parse(str(key)) == key
    assert bytes(key).decode("utf-8") == str(key) == f"{connection}/{employee}"


@strategies.repeatable
@given(st.lists(st.tuples(CONNECTIONS, st.text(min_size=1)), unique=True))
def test_keys_of_different_people_differ(people: list[tuple[str, str]]) -> None:
    """The key decides the partition and the ledger entry."""
    keys = {bytes(PersonKey(ConnectionId(connection), EmployeeId(employee))) for connection, employee in people}

    assert len(keys) == len(people)


@pytest.mark.parametrize("text", ["", "c", "c/", "/1", "/"])
def test_invalid_key_is_rejected_without_quoting_it(text: str) -> None:
    """The message says which form a key has."""
    with pytest.raises(
        ValueError, match=r"^the key of a person is invalid: it must have the form <connection>/<employee id>$"
    ):
        PersonKey.parse(text)
