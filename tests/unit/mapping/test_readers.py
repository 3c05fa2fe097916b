"""Which fields of an account depend on an attribute."""

import pytest

from services.contracts.mappings import AttributeSource, ConstantSource, MappingDocument, Rule
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
        pytest.param("team", (), id="not read"),
    ],
)
def test_fields_that_read_an_attribute_are_found(attribute: str, fields: tuple[str, ...]) -> None:
    """A constant with the same text reads nothing."""
    assert find_reading_fields(MAPPING, attribute) == fields
