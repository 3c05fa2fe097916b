"""What differs between two mappings."""

from services.contracts.mappings import ConstantSource, MappingDocument, Rule, Scope, default_mapping
from services.contracts.transforms import Trim, ValueTable
from services.mapping.differences import Difference, find_differences, find_dropped_rules
from tests.support.builders import make_rule

TITLE = make_rule("title", "position", transforms=(Trim(),))


def test_equal_mappings_do_not_differ() -> None:
    """The order of the rules and the spelling of a target make no difference."""
    one = MappingDocument(rules=(TITLE, make_rule("locale", "language")))
    other = MappingDocument(rules=(make_rule("locale", "language"), TITLE))

    assert find_differences(one, other) == ()


def test_new_changed_and_former_rules_are_shown() -> None:
    """Each with its content, without what it leaves out."""
    before = MappingDocument(rules=(TITLE, make_rule("locale", "language")))
    after = MappingDocument(
        rules=(
            make_rule("locale", "language", transforms=(ValueTable(table={"a": None}),)),
            Rule(target="nickName", source=ConstantSource(value="x")),
        )
    )

    gone, changed, new = find_differences(before, after)

    assert gone == Difference(
        "title",
        '{"source": {"kind": "attribute", "attribute": "position"}, "transforms": [{"kind": "trim"}], "on_missing": "leave"}',
        None,
    )
    assert changed.before == '{"source": {"kind": "attribute", "attribute": "language"}, "on_missing": "leave"}'
    assert '"transforms": [{"kind": "value_table"' in (changed.after or "")
    assert new == Difference("nickName", None, new.after)


def test_other_parts_are_shown() -> None:
    """Settings of the document differ as well."""
    (scope,) = find_differences(default_mapping(), default_mapping().model_copy(update={"scope": Scope(only="a")}))

    assert scope == Difference("scope", '{"only": null, "otherwise": "ignore"}', '{"only": "a", "otherwise": "ignore"}')


def test_first_mapping_is_new() -> None:
    """Everything of it is shown."""
    differences = find_differences(None, default_mapping())

    assert {difference.before for difference in differences} == {None}


def test_dropped_rules_are_those_that_only_the_earlier_has() -> None:
    """A withdrawn rule is mentioned."""
    before = MappingDocument(rules=(TITLE, make_rule("locale", "language"), make_rule("nickName", "nick")))
    after = MappingDocument(rules=(make_rule("LOCALE", "other"),), withdrawn=(make_rule("nickName", "nick"),))

    assert find_dropped_rules(before, after) == (TITLE,)
    assert find_dropped_rules(after, before) == ()
    assert find_dropped_rules(after, MappingDocument(rules=after.rules)) == after.withdrawn
    assert find_dropped_rules(None, after) == ()
