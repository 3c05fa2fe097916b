"""Which fields of an account depend on an attribute."""

import pytest

from services.contracts.mappings import AttributeSource, ConstantSource, EmploymentDates, MappingDocument, Rule
from services.mapping.readers import find_reading_fields

MAPPING = MappingDocument(
    rules=(
        Rule(target="title", source=AttributeSource(attribute="position")),
        Rule(target="nickName", source=AttributeSource(attribute="position")),
        Rule(target="userType", source=ConstantSource(value="position")),
        Rule(target="locale", source=AttributeSource(attribute="office.name")),
    )
)


@pytest.mark.parametrize(
    ("attribute", "fields"),
    [
        pytest.param("position", ("title", "nickName"), id="two rules"),
        pytest.param("office", ("locale",), id="a part is read"),
        pytest.param("email", ("userName",), id="user name"),
        pytest.param("status", ("active",), id="life cycle"),
        pytest.param("hire_date", (), id="date that the life cycle does not need"),
        pytest.param("team", (), id="not read"),
    ],
)
def test_fields_that_read_an_attribute_are_found(attribute: str, fields: tuple[str, ...]) -> None:
    """A constant with the same text reads nothing."""
    assert find_reading_fields(MAPPING, attribute) == fields


def test_dates_of_an_employment_decide_about_the_account() -> None:
    """If the credential no longer shows them, accounts begin and end by the status alone."""
    dates = EmploymentDates(days_before_start=3, disable_after_last_day=True)
    mapping = MAPPING.model_copy(update={"employment": dates})

    found = {key: find_reading_fields(mapping, key) for key in ("hire_date", "last_working_day", "termination_date")}

    assert set(found.values()) == {("active",)}
