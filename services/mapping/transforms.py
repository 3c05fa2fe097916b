"""The transforms of a rule, compiled into functions.

An empty value (None, an empty string, a list of empty values) passes through every transform except a default. Empty
entries of a list are removed.
"""

from collections.abc import Callable

from services.contracts.transforms import (
    DateFormat,
    Default,
    Extract,
    First,
    Iban,
    Join,
    LanguageTag,
    Lower,
    Matching,
    NumberFormat,
    Phone,
    Split,
    Title,
    ToNumber,
    Transform,
    Transliterate,
    Trim,
    Upper,
    ValueTable,
)
from services.contracts.values import Scalar
from services.mapping.functions.tables import compile_table
from services.mapping.functions.texts import (
    change_to_title_case,
    compile_join,
    compile_split,
    compile_transliterate,
    select_first,
    trim,
)
from services.mapping.functions.values import Filled, InvalidTransformError, map_entries, map_texts
from services.mapping.functions.values import Function as Function
from services.mapping.functions.values import UnfitValueError as UnfitValueError
from services.mapping.functions.values import is_empty as is_empty
from services.mapping.functions.values import remove_empty as remove_empty


def compile_transform(transform: Transform) -> Function:
    """Returns the function of a transform. The function raises ``UnfitValueError``.

    If ``find_transform_problem`` finds a problem, no value fits the function except an empty one: a stored mapping with such a
    transform rejects employees, and does not stop the mapper.
    """
    try:
        return _compile(transform)
    except InvalidTransformError:
        return map_entries(_build_rejection(transform.kind))


def find_transform_problem(transform: Transform) -> str | None:
    """Returns what is wrong with the patterns, formats, locales or regions of a transform, and what to do; None if nothing is."""
    try:
        _compile(transform)
    except InvalidTransformError as error:
        return str(error)
    return None


def _build_rejection(kind: str) -> Callable[[Filled], Scalar]:
    def reject(_: Filled) -> Scalar:
        raise UnfitValueError(f"cannot pass the transform {kind}, which has an invalid setting")

    return reject


def _compile(transform: Transform) -> Function:  # noqa: C901, PLR0911, PLR0912 - one case for each transform
    """Returns the function of a transform. Raises ``InvalidTransformError``.

    Large libraries are imported for the first rule that needs them: most mappings need none, and commands start faster.
    """
    match transform:
        case Trim():
            return map_texts(trim)
        case Lower():
            return map_texts(str.lower)
        case Upper():
            return map_texts(str.upper)
        case Title():
            return map_texts(change_to_title_case)
        case Default(value=default):
            return lambda value: default if is_empty(value) else value
        case ValueTable():
            return compile_table(transform)
        case Join(separator=separator):
            return compile_join(separator)
        case Split(separator=separator):
            return compile_split(separator)
        case First():
            return select_first
        case Transliterate(german=german):
            return compile_transliterate(german=german)
        case DateFormat():
            from services.mapping.functions.dates import compile_date_format  # noqa: PLC0415 - Babel

            return compile_date_format(transform)
        case NumberFormat():
            from services.mapping.functions.numbers import compile_number_format  # noqa: PLC0415 - Babel

            return compile_number_format(transform)
        case ToNumber():
            from services.mapping.functions.numbers import compile_to_number  # noqa: PLC0415 - Babel

            return compile_to_number(transform)
        case Extract():
            from services.mapping.functions.patterns import compile_extract  # noqa: PLC0415 - RE2

            return compile_extract(transform)
        case Matching():
            from services.mapping.functions.patterns import compile_matching  # noqa: PLC0415 - RE2

            return compile_matching(transform)
        case Phone():
            from services.mapping.functions.phones import compile_phone  # noqa: PLC0415 - data of all countries

            return compile_phone(transform)
        case Iban():
            from services.mapping.functions.ibans import compile_iban  # noqa: PLC0415 - data of all countries

            return compile_iban(transform)
        case LanguageTag():
            from services.mapping.functions.languages import compile_language_tag  # noqa: PLC0415 - Babel

            return compile_language_tag(transform)
