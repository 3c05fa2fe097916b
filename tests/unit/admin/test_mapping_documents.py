"""Mapping documents: JSON and YAML, and what is said about a document that is wrong."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.admin.mapping.documents import (
    MAX_DOCUMENT_LENGTH,
    MAX_SHOWN_PROBLEMS,
    InvalidMappingError,
    format_document,
    format_schema,
    parse_document,
)
from services.contracts.mappings import MappingDocument, default_mapping
from services.mapping.rule_problems import find_rule_problems
from tests.unit.contracts.strategies import mappings


@pytest.mark.parametrize("as_yaml", [False, True])
def test_formatted_document_is_parsed_to_the_same_mapping(*, as_yaml: bool) -> None:
    """An export can be imported unchanged."""
    assert parse_document(format_document(default_mapping(), as_yaml=as_yaml)) == default_mapping()


@given(mapping=mappings, as_yaml=st.booleans())
def test_any_mapping_without_a_problem_is_read_as_written(mapping: MappingDocument, *, as_yaml: bool) -> None:
    """Words such as no, dates, and characters of any language stay what they are."""
    document = format_document(mapping, as_yaml=as_yaml)
    if find_rule_problems(mapping):
        with pytest.raises(InvalidMappingError):
            parse_document(document)
    else:
        assert parse_document(document) == mapping


PATTERN = """
rules:
  - {target: title, source: {kind: constant, value: x}, transforms: [{kind: trim}, {kind: extract, pattern: "("}]}
"""

VALIDATOR = jsonschema.Draft202012Validator(json.loads(format_schema()))
YAML = """\
rules:
  - target: preferredLanguage  # of the application
    source: {kind: attribute, attribute: dynamic_1}
    transforms:
      - kind: value_table
        table:
          no: "no"
          2026-01-01: y
          "1": 1
          12:30: 12:30
          1_000: 1_000
          "x": 010
"""


def test_yaml_words_are_texts() -> None:
    """Other readers of YAML take no for false, and a date for a point in time."""
    (rule,) = parse_document(YAML).rules

    assert rule.transforms[0].model_dump()["table"] == {
        "no": "no",
        "2026-01-01": "y",
        "1": 1,
        "12:30": "12:30",
        "1_000": "1_000",
        "x": "010",
    }


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "it is not JSON: "),
        ("[]", "document: "),
        ("", "document: "),
        ("{}", "rules: Field required"),
        ('{"rules": [], "rule": []}', "rule: unknown field"),
        ("rules: []\nrules: []", "'rules' occurs twice in the same place"),
        ("rules: !!timestamp abc", "it is not YAML: "),
        ("rules: !!bool abc", "it is not YAML: "),
        ("rules: !!int ''", "it is not YAML: "),
        ('rules: "\\UFFFFFFFF"', "it is not YAML"),
        ('{"rules": [], "x": NaN}', "it is not JSON: NaN is not a number"),
        ('{"rules": [], "rules": []}', "'rules' occurs twice in the same place"),
        ("rules: [", "it is not YAML in line 1, character 9: "),
        ("rules: &a []\nwithdrawn: *a", "it is not YAML: a reference (*name) is not part of a document"),
        ("rules: !!python/object:os.system []", "it is not YAML in line 1, character 8"),
        ("? [a]\n: b", "it is not YAML in line 1, character 3"),
        ('{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}', "rule 1: userName cannot"),
        ('{"rules": [{"target": "name.", "source": {"kind": "constant", "value": 1}}]}', "rule 1: 'name.'"),
        (
            '{"rules": [{"target": "title", "source": {"kind": "attribute"}}]}',
            "rule 1, source, attribute: Field required",
        ),
        (
            '{"rules": [{"target": "title", "source": {"kind": "expression", "expression": "a = b"}}]}',
            "mapping cannot be used: rule 1 (title, source): a comparison has two equals signs",
        ),
        (
            PATTERN,
            "mapping cannot be used: rule 1 (title, transform 2): the pattern is not valid",
        ),
        ("[" * 100_000, "it is nested too deeply"),
        ("{" + '"a":{' * 100_000, "it is nested too deeply"),
        ("x" * (MAX_DOCUMENT_LENGTH + 1), "it has more than 1,000,000 characters"),
    ],
)
def test_invalid_document_names_the_location(document: str, problem: str) -> None:
    """The message says what happened, names the location, and is written for the author of the file."""
    with pytest.raises(InvalidMappingError) as error:
        parse_document(document)

    prefix = "the " if problem.startswith("mapping cannot be used: ") else "the document is not a mapping: "
    assert str(error.value).startswith(prefix + problem)
    assert "Value error" not in str(error.value)


def test_quotation_marks_in_quotation_marks_have_a_next_step() -> None:
    """The parser of YAML says what it expected, which helps few readers."""
    with pytest.raises(InvalidMappingError) as caught:
        parse_document('rules:\n- target: "phoneNumbers[type eq "mobile"].value"')

    assert str(caught.value).endswith("alone on the next line, further to the right, after `>-`")


def test_many_problems_are_not_all_named() -> None:
    """A terminal shows the first ones."""
    rules = [{"target": f"a{number}", "source": {"kind": "constant"}} for number in range(MAX_SHOWN_PROBLEMS + 5)]

    with pytest.raises(InvalidMappingError, match=r"and 5 more$"):
        parse_document(json.dumps({"rules": rules}))


def test_schema_describes_each_field() -> None:
    """Editors show the descriptions."""
    schema = json.loads(format_schema())

    assert schema["properties"]["rules"]["description"].startswith("The rules, one for each field.")
    assert schema["$defs"]["ExpressionSource"]["properties"]["expression"]["maxLength"] == 1_000


@given(mapping=mappings)
def test_schema_accepts_each_mapping(mapping: MappingDocument) -> None:
    """An editor marks nothing in a document that an import takes."""
    VALIDATOR.validate(mapping.model_dump(mode="json"))


def test_schema_refuses_an_unknown_kind() -> None:
    """An editor marks it while it is written."""
    document = default_mapping().model_dump(mode="json")
    document["rules"][0]["transforms"] = [{"kind": "reverse"}]

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)
