import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from tests.unit.contracts import strategies

CONNECTIONS = st.text(min_size=1).filter(lambda text: "/" not in text)


@strategies.everywhere_alike
@given(CONNECTIONS, st.text(min_size=1))
@example("c", "7/8/")
def test_the_key_of_a_person_is_read_as_it_was_written(connection: str, employee: str) -> None:
    """Also with a slash in the employee's id: only the connection's id, which we generate, has none."""
    key = PersonKey(ConnectionId(connection), EmployeeId(employee))
    assert PersonKey.parse(str(key)) == key
    assert bytes(key).decode("utf-8") == str(key) == f"{connection}/{employee}"


@strategies.everywhere_alike
@given(st.lists(st.tuples(CONNECTIONS, st.text(min_size=1)), unique=True))
def test_no_two_people_share_a_key(people: list[tuple[str, str]]) -> None:
    assert len({bytes(PersonKey(ConnectionId(c), EmployeeId(e))) for c, e in people}) == len(people)


@pytest.mark.parametrize("text", ["", "c", "c/", "/1", "/"])
def test_what_is_no_key_of_a_person_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a person's key has the form <connection>/<employee id>$"):
        PersonKey.parse(text)
