"""Generates ``docs/mappings.md`` and ``docs/mappings.de.md``: the mapping document, with examples that the engine evaluates.

The page of a language is one text, with a place for each table and example that comes from the code.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from babel.numbers import format_decimal
from pydantic import BaseModel

from docs.generators.mappings import english, german
from docs.generators.mappings.examples import (
    EMPLOYEE,
    EXPRESSIONS,
    LARGER,
    SOURCES,
    TRANSFORMS,
    map_employee,
)
from docs.generators.mappings.meanings import format_key, read_meanings
from docs.generators.markdown import NOTICE, build_rows, format_block, format_code
from services.admin.mapping.documents import format_document
from services.contracts.mappings import (
    LIFE_CYCLE,
    MANAGER,
    MAX_EXPRESSION_LENGTH,
    WORK_EMAIL,
    Condition,
    MappingDocument,
    Rule,
    Scope,
    default_mapping,
)
from services.contracts.targets import NOT_MAPPABLE
from services.contracts.transforms import Transform
from services.contracts.values import Value
from services.mapping.expressions.evaluation import (
    MAX_INPUT_ENTRIES,
    MAX_INPUT_LENGTH,
    MAX_LOOP_INPUT_LENGTH,
    CompiledExpression,
)
from services.mapping.expressions.functions import FUNCTIONS
from services.mapping.expressions.translation import MAX_LOOP_TOKENS, MAX_MACROS, MAX_TOKENS
from services.mapping.functions.values import MAX_CHARACTERS, MAX_ENTRIES
from services.mapping.time_limit import MAX_SECONDS
from services.mapping.transforms import UnfitValueError, compile_transform

LIMITS: Mapping[str, float] = {
    "max_characters": MAX_CHARACTERS,
    "max_entries": MAX_ENTRIES,
    "max_expression_length": MAX_EXPRESSION_LENGTH,
    "max_input_entries": MAX_INPUT_ENTRIES,
    "max_input_length": MAX_INPUT_LENGTH,
    "max_loop_input_length": MAX_LOOP_INPUT_LENGTH,
    "max_loop_tokens": MAX_LOOP_TOKENS,
    "max_macros": MAX_MACROS,
    "max_seconds": MAX_SECONDS,
    "max_tokens": MAX_TOKENS,
}
"""The limits by their place in the text."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the page."""

    locale: str
    """How numbers are written, such as ``de``."""
    texts: Mapping[str, str]
    """The page, the words of its cells and the meanings, by their keys: those of the English texts."""


ENGLISH = Language("en", {**english.TEXTS, **read_meanings()})
"""The English page."""
GERMAN = Language("de", {key: translation.text for key, translation in german.TRANSLATIONS.items()})
"""The German page."""


def generate(language: Language) -> str:
    """Returns the page. Raises ``ValueError`` with the keys of the texts that the language lacks."""
    missing = [key for key in ENGLISH.texts if key not in language.texts]
    if missing:
        raise ValueError(
            f"the page in the language {language.locale} lacks {', '.join(missing)}: translate these texts"
        )
    places = {
        "default_mapping": format_block(format_document(default_mapping()), "json"),
        "document": build_rows(_list_fields(MappingDocument, language)),
        "life_cycle": build_rows(
            (format_code(status), format_code(intent.value)) for status, intent in LIFE_CYCLE.items()
        ),
        "scope": build_rows(_list_fields(Scope, language)),
        "rule": build_rows(_list_fields(Rule, language)),
        "not_mappable": ", ".join(map(format_code, NOT_MAPPABLE)),
        "manager": MANAGER,
        "sources": build_rows(
            (format_code(_to_json(source, exclude_none=True)), language.texts[key]) for source, key in SOURCES
        ),
        "functions": build_rows((format_code(name), language.texts[f"{name}()"]) for name in FUNCTIONS),
        "expression_examples": build_rows(
            (format_code(text), format_code(_to_json(values)), format_code(_to_json(_evaluate(text, values))))
            for text, values in EXPRESSIONS
        ),
        "condition": build_rows(_list_fields(Condition, language)),
        "transforms": build_rows(
            (format_code(_get_kind(model)), language.texts[format_key(model)]) for model in _list_transforms()
        ),
        "transform_settings": build_rows(
            (format_code(_get_kind(model)), *row)
            for model in _list_transforms()
            for row in _list_fields(model, language)
        ),
        "transform_examples": build_rows(_build_example(transform, value, language) for transform, value in TRANSFORMS),
        "larger_mapping": format_block(format_document(LARGER), "json"),
        "employee": build_rows((format_code(key), format_code(_to_json(value))) for key, value in EMPLOYEE.items()),
        "account": build_rows(_list_account(language)),
    }
    limits = {name: format_decimal(limit, locale=language.locale) for name, limit in LIMITS.items()}
    return f"{NOTICE}\n\n{Template(language.texts['page']).substitute(places, **limits)}"


def generate_english() -> str:
    """Returns ``docs/mappings.md``."""
    return generate(ENGLISH)


def generate_german() -> str:
    """Returns ``docs/mappings.de.md``."""
    return generate(GERMAN)


def _list_fields(model: type[BaseModel], language: Language) -> Iterator[tuple[str, str, str]]:
    """Yields name, meaning and default of each field, without the kind by which a union is told apart."""
    for name, field in model.model_fields.items():
        if name != "kind":
            value = field.get_default(call_default_factory=True)
            default = language.texts["required"] if field.is_required() else format_code(_to_json(value))
            yield format_code(name), language.texts[format_key(model, name)], default


def _list_transforms() -> list[type[Transform]]:
    """Returns the models of all transforms, in the order of the examples."""
    return list(dict.fromkeys(type(transform) for transform, _ in TRANSFORMS))


def _get_kind(model: type[Transform]) -> str:
    return str(model.model_fields["kind"].get_default())


def _to_json(value: Any, *, exclude_none: bool = False) -> str:
    plain = value.model_dump(mode="json", exclude_none=exclude_none) if isinstance(value, BaseModel) else value
    return json.dumps(plain, ensure_ascii=False)


def _evaluate(expression: str, attributes: Mapping[str, Value]) -> Value:
    return CompiledExpression(expression).evaluate(attributes)


def _build_example(transform: Transform, value: Value, language: Language) -> tuple[str, str, str]:
    """Returns a transform with the settings that differ from the defaults, a value and the result."""
    try:
        result = format_code(_to_json(compile_transform(transform)(value)))
    except UnfitValueError as error:
        result = language.texts["rejected"].format(problem=error)
    settings = {"kind": transform.kind, **transform.model_dump(mode="json", exclude_defaults=True)}
    return format_code(_to_json(settings)), format_code(_to_json(value)), result


def _list_account(language: Language) -> Iterator[tuple[str, str]]:
    """Yields each field of the account that the larger example gives, and a description of its value."""
    desired = map_employee()
    values = {"externalId": desired.external_id, "userName": desired.user_name, WORK_EMAIL: desired.user_name}
    for field, value in (values | desired.fields).items():
        yield format_code(field), format_code(_to_json(value))
    if desired.manager is not None:
        text = language.texts["account of the manager"].format(employee=desired.manager.employee_id)
        yield format_code(MANAGER), text
