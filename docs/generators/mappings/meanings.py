"""The meanings of fields, transforms, sources and functions, which the page about mappings takes from the code."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from docs.generators.markdown import format_docstring
from services.contracts.mappings import Condition, MappingDocument, Rule, Scope, Source
from services.contracts.transforms import Transform
from services.mapping.expressions.functions import FUNCTIONS


def format_key(subject: type[BaseModel], field: str | None = None) -> str:
    """Returns the key of the meaning of a model, such as ``Trim``, or of one of its fields, such as ``Rule.target``."""
    return subject.__name__ if field is None else f"{subject.__name__}.{field}"


def read_meanings() -> dict[str, str]:
    """Returns each meaning that the page shows, in English, by its key. That of a function is ``trim()``."""
    return {key: format_docstring(docstring) for key, docstring in _list_docstrings()}


def _list_docstrings() -> Iterator[tuple[str, str | None]]:
    sources, transforms = get_args(get_args(Source)[0]), get_args(get_args(Transform)[0])
    for model in (MappingDocument, Scope, Rule, Condition, *transforms):
        for name, field in model.model_fields.items():
            if name != "kind":
                yield format_key(model, name), field.description
    for model in (*sources, *transforms):
        yield format_key(model), model.__doc__
    for name, function in FUNCTIONS.items():
        yield f"{name}()", function.meaning
