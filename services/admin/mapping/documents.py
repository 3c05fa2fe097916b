"""Mapping documents as text: JSON and YAML, read with every problem named, and written for people and for version control."""

import json
import re
from collections import Counter
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.admin.shortening import join_first
from services.contracts.examples import ExampleDocument
from services.contracts.mappings import MappingDocument
from services.errors import ConfigurationError
from services.mapping.rule_problems import find_rule_problems

MAX_DOCUMENT_LENGTH = 1_000_000
"""Maximum number of characters of a document."""
MAPPING, EXAMPLES = "a mapping", "a list of examples"
"""What a document has to be, for messages."""
Model = TypeVar("Model", bound=BaseModel)
MAX_SHOWN_PROBLEMS = 20
"""Maximum number of problems that a message names."""
YAML_STEP = (
    "compare the spaces at the beginning of the lines; write a text with quotation marks, or with a colon and a space, "
    "alone on the next line, further to the right, after `>-`"
)
"""What to do about a document that is not YAML."""

_KINDS = frozenset({"attribute", "attributes", "constant", "expression"})
"""Kinds of sources: behind ``source``, Pydantic has them in a place, but a document has not."""


class InvalidMappingError(ConfigurationError):
    """The document is not a mapping, or no mapping is published. The message names each location and its problem."""

    code: ClassVar[str] = "invalid-mapping"


class _Loader(yaml.SafeLoader):
    """Reads the part of YAML that JSON has: ``no``, dates and ``12:30`` are texts, and nothing is repeated by reference."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuses references: few lines of them can stand for a document of any size."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("a reference (*name) is not part of a document: write the value again")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Refuses a key that a mapping has twice: one of its values would be lost."""
        keys = [key.value for key, _ in node.value]
        _refuse_repeated(keys)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what ``_Loader`` reads: a text that it would take for a number or a boolean is quoted."""


_Loader.yaml_implicit_resolvers, _Dumper.yaml_implicit_resolvers = {}, {}
for _tag, _pattern, _first in (
    ("bool", "true|false", "tf"),
    ("null", "null|~|", ["n", "~", ""]),
    ("int", "-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


class _RepeatedKeyError(ValueError):
    """A key occurs twice in one object."""


def _refuse_repeated(keys: list[Any]) -> None:
    repeated = next((key for key, number in Counter(map(str, keys)).items() if number > 1), None)
    if repeated is not None:
        raise _RepeatedKeyError(f"{repeated!r} occurs twice in the same place: remove one of them")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repeated([key for key, _ in pairs])
    return dict(pairs)


def format_document(mapping: MappingDocument, *, as_yaml: bool = False) -> str:
    """Returns the mapping as indented JSON, or as YAML. What a rule does not have is left out."""
    content = mapping.model_dump(mode="json")
    for rule in (*content["rules"], *content["withdrawn"]):
        _omit_absent(rule, "when")
        _omit_absent(rule, "transforms")
        _omit_absent(rule["source"], "largest_by")
    if as_yaml:
        return _write_yaml(content)
    return json.dumps(content, indent=2, ensure_ascii=False)


def format_examples(document: ExampleDocument) -> str:
    """Returns examples as YAML."""
    content = document.model_dump(mode="json")
    for example in content["examples"]:
        expected = example["expected"]
        for name in ("user_name", "manager", "rejected_field"):
            _omit_absent(expected, name)
    return _write_yaml(content)


def _write_yaml(content: Any) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _omit_absent(part: dict[str, Any], name: str) -> None:
    """Removes a field that is null or an empty list."""
    if part.get(name, True) in (None, []):
        del part[name]


def format_schema() -> str:
    """Returns the JSON schema of a mapping. Editors complete and check a file with it."""
    return _format_schema(MappingDocument)


def format_example_schema() -> str:
    """Returns the JSON schema of the pinned examples of a mapping."""
    return _format_schema(ExampleDocument)


def _format_schema(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2, ensure_ascii=False
    )


def parse_document(document: str) -> MappingDocument:
    """Returns the mapping of a JSON or YAML document. Raises ``InvalidMappingError``.

    A field that this version does not know is an error here: in a file it is a mistake. In MongoDB a newer version may
    have stored it. So is an expression or a transform that cannot be used.
    """
    mapping = _validate(_read(document, MAPPING), MappingDocument, MAPPING)
    ensure_usable(mapping)
    return mapping


def ensure_usable(mapping: MappingDocument) -> None:
    """Raises ``InvalidMappingError`` for an expression or a transform that cannot be used, and for a mapping that takes too long."""
    problems = [problem.describe() for problem in find_rule_problems(mapping)]
    if problems:
        raise InvalidMappingError(f"the mapping cannot be used: {_list_problems(problems)}")


def parse_examples(document: str) -> ExampleDocument:
    """Returns the examples of a JSON or YAML document. Raises ``InvalidMappingError``."""
    return _validate(_read(document, EXAMPLES), ExampleDocument, EXAMPLES)


def _read(document: str, what: str) -> Any:
    if len(document) > MAX_DOCUMENT_LENGTH:
        raise _refuse([f"it has more than {MAX_DOCUMENT_LENGTH:,} characters"], what)
    if document.lstrip().startswith("{"):
        try:
            return json.loads(document, object_pairs_hook=_build_object, parse_constant=_refuse_constant)
        except _RepeatedKeyError as error:
            raise _refuse([str(error)], what) from None
        except ValueError as error:
            raise _refuse([f"it is not JSON: {error}"], what) from None
        except RecursionError:
            raise _refuse(["it is nested too deeply"], what) from None
    try:
        return yaml.load(document, Loader=_Loader)  # noqa: S506 - a safe loader
    except _RepeatedKeyError as error:
        raise _refuse([str(error)], what) from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, character {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error) or "it cannot be read"
        step = f": {YAML_STEP}" if mark is not None else ""
        raise _refuse([f"it is not YAML{place}: {problem}{step}"], what) from None
    except RecursionError:
        raise _refuse(["it is nested too deeply"], what) from None


def _validate(content: Any, model: type[Model], what: str) -> Model:
    try:
        # as JSON, so that lists and texts are read as in an export
        return model.model_validate_json(json.dumps(content), extra="forbid")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise _refuse([_format_problem(problem) for problem in problems], what) from None
    except (TypeError, ValueError):
        raise _refuse(["it contains a value that is neither a text, a number, true, false nor empty"], what) from None


def _refuse(problems: list[str], what: str) -> InvalidMappingError:
    return InvalidMappingError(f"the document is not {what}: {_list_problems(problems)}")


def _list_problems(problems: list[str]) -> str:
    return join_first(problems, MAX_SHOWN_PROBLEMS, "; ")


def _format_problem(problem: ErrorDetails) -> str:
    """Returns the place and the problem. Rules and transforms have the numbers that a person counts."""
    names: list[str] = []
    places = problem["loc"]
    for before, part in zip((None, *places), places, strict=False):
        if isinstance(part, int):
            kind = names.pop() if names else "entry"
            names.append(f"{kind.removesuffix('s')} {part + 1}")
        elif part not in _KINDS or before != "source":
            names.append(part)
    place = ", ".join(names) or "document"
    is_unknown = problem["type"] == "extra_forbidden"
    return f"{place}: {'unknown field' if is_unknown else problem['msg'].removeprefix('Value error, ')}"
