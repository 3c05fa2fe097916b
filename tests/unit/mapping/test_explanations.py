"""Explanations: they follow the evaluation of the engine."""

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.mappings import MANAGER, AttributeSource, ConstantSource, MappingDocument, Rule
from services.contracts.outcomes import Intent
from services.contracts.transforms import Trim, ValueTable
from services.contracts.values import Value
from services.mapping.engine import Engine
from services.mapping.explanations import FieldExplanation, explain_fields
from services.mapping.readers import ACTIVE
from services.mapping.rules import Step
from tests.support.builders import make_change, make_published_mapping, make_rule
from tests.unit.contracts.strategies import mappings, values

DOCUMENT = MappingDocument(
    rules=(
        Rule(
            target="locale",
            source=AttributeSource(attribute="language"),
            transforms=(Trim(), ValueTable(table={"Deutsch": "de"})),
        ),
        Rule(target="title", source=ConstantSource(value="x")),
    )
)


def test_explanation_shows_each_step() -> None:
    """From the attribute through the transforms to the value."""
    attributes: dict[str, Value] = {"email": "Ada@Nord.example", "language": " Deutsch "}

    address, language, title = explain_fields(DOCUMENT, attributes)

    assert address.value == "Ada@Nord.example"
    assert language == FieldExplanation(
        target="locale",
        rule=1,
        attributes={"language": " Deutsch "},
        unknown=(),
        steps=(Step("attribute", " Deutsch "), Step("trim", "Deutsch"), Step("value_table", "de")),
        is_written=True,
        value="de",
    )
    assert title == FieldExplanation("title", 2, {}, (), (Step("constant", "x"),), is_written=True, value="x")


def test_explanation_names_unknown_attributes_and_problems() -> None:
    """The steps end where the evaluation ended."""
    address, language, _ = explain_fields(DOCUMENT, {"language": "Suomi"})

    assert address.unknown == ("email",)
    assert address.problem is not None
    assert language.steps[-1] == Step("trim", "Suomi")
    assert "is not in the value table" in (language.problem or "")


@given(document=mappings, attributes=st.dictionaries(st.sampled_from(["a", "email", "first_name"]), values))
def test_explanation_says_what_the_engine_does(document: MappingDocument, attributes: dict[str, Value]) -> None:
    """The written fields are those of the request; an employee with a problem is rejected."""
    published = make_published_mapping().model_copy(update={"mapping": document})
    change = make_change({**attributes, "status": "active"})

    request = Engine(published).map(change)
    user_name, *fields = explain_fields(document, change.attributes)

    problems = [field.problem for field in (*fields, user_name) if field.problem]
    if request.desired is not None:
        written = {field.target: field.value for field in fields if field.is_written and field.target != MANAGER}
        assert request.desired.fields == written
        assert request.desired.user_name == user_name.value
        withdrawn = {field.target: field.value for field in fields if field.is_withdrawn and field.target != MANAGER}
        assert request.desired.withdrawn == {key: value for key, value in withdrawn.items() if value is not None}
        assert not problems
    elif request.intent is Intent.REJECT and request.field != ACTIVE:
        assert problems[0] == request.reason


def test_rule_with_an_unknown_attribute_is_explained() -> None:
    """The field stays as it is."""
    document = MappingDocument(rules=(make_rule("title", "position"),))

    (_, title) = explain_fields(document, {"email": "ada@nord.example"})

    assert title == FieldExplanation("title", 1, {}, ("position",), (), is_written=False, value=None)
