"""The transforms that a rule may name. Their texts are bounded here; patterns, locales and regions are checked in ``mapping``."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, StrictInt, StrictStr, model_validator

from services.contracts.values import FrozenModel, Scalar, Value

MAX_TABLE_ENTRIES = 2_000
"""Maximum number of entries of a value table."""
MAX_TABLE_TEXT = 1_000
"""Maximum number of characters of a text in a value table."""
MAX_PATTERN = 500
"""Maximum number of characters of a regular expression."""
MAX_SEPARATOR = 20
"""Maximum number of characters of a separator."""
MAX_DATE_PATTERN = 100
"""Maximum number of characters of the format of a date."""

Otherwise: TypeAlias = Literal["keep", "missing", "reject"]
"""What happens to a value that does not fit: it is kept, replaced by an empty value, or the employee is rejected."""
LocaleName: TypeAlias = Annotated[
    str, Field(max_length=11, pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z]{4})?([_-]([A-Za-z]{2}|[0-9]{3}))?$")
]
"""A language, perhaps with script and region, such as ``de`` or ``de_AT``."""
Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)]
"""A regular expression in the syntax of RE2."""
Separator: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_SEPARATOR)]
"""The text between two entries."""


def _validate_length(value: Scalar) -> Scalar:
    if isinstance(value, str) and len(value) > MAX_TABLE_TEXT:
        raise ValueError(f"a text of the table has more than {MAX_TABLE_TEXT:,} characters: shorten it")
    return value


class Trim(FrozenModel):
    """Removes the spaces at both ends of a text. A text of spaces only becomes an empty value."""

    kind: Literal["trim"] = "trim"


class Lower(FrozenModel):
    """Changes a text to lowercase."""

    kind: Literal["lower"] = "lower"


class Upper(FrozenModel):
    """Changes a text to uppercase, by the rules of Unicode: `ß` becomes `SS`."""

    kind: Literal["upper"] = "upper"


class Title(FrozenModel):
    """Changes the first letter of each word to uppercase, and all others to lowercase. A hyphen begins a word. An apostrophe
    begins one after a single letter only: `O'Neil`, but `Anna's`. Words such as `von` have no exception.
    """

    kind: Literal["title"] = "title"


class Default(FrozenModel):
    """Replaces an empty value by another value."""

    kind: Literal["default"] = "default"
    value: Value
    """The value to use."""


class DateFormat(FrozenModel):
    """Formats a Personio date, or the date of a timestamp, as a text. A number or boolean is not a date."""

    kind: Literal["date_format"] = "date_format"
    format: str = Field("yyyy-MM-dd", min_length=1, max_length=MAX_DATE_PATTERN)
    """Pattern of CLDR, such as `dd.MM.yyyy` or `d. MMMM yyyy`, or one of `short`, `medium`, `long` and `full`. The fields are
    `y` (year), `M` and `L` (month), `d` (day), `D` (day of the year), `E` and `c` (weekday), `Q` and `q` (quarter). Other
    letters are put into single quotes."""
    locale: LocaleName = "en"
    """Locale of names and formats, such as `de` or `de_AT`."""


class NumberFormat(FrozenModel):
    """Formats a number as a text. A text is a number if it is written as in JSON, such as `1234.5`. A boolean is not a number.
    Numbers have at most 15 digits before the decimal separator.
    """

    kind: Literal["number_format"] = "number_format"
    decimals: StrictInt | None = Field(None, ge=0, le=6)
    """Digits after the decimal separator; 5 is rounded away from zero. Null keeps the digits of the number."""
    locale: LocaleName = "en"
    """Locale of the separators, such as `de` or `de_CH`."""
    grouping: bool = True
    """Whether thousands are separated."""


class ToNumber(FrozenModel):
    """Reads a number from a text that contains nothing else. It has at most 15 digits. A number without a decimal separator
    becomes an integer. Numbers stay as they are, and a boolean is not a number.
    """

    kind: Literal["to_number"] = "to_number"
    locale: LocaleName = "en"
    """Locale of the separators in the text, such as `de`: `1.234,5` is then 1234.5."""


class ValueTable(FrozenModel):
    """Replaces a value by its entry in the table. The value has to be equal to the key, including its spaces: put `trim` before
    the table if necessary.
    """

    kind: Literal["value_table"] = "value_table"
    table: dict[
        Annotated[str, Field(max_length=MAX_TABLE_TEXT)], Annotated[Scalar, AfterValidator(_validate_length)]
    ] = Field(max_length=MAX_TABLE_ENTRIES)
    """Replacements by value. Numbers and booleans are written as in JSON: `1`, `true`."""
    ignore_case: bool = False
    """Whether a value is equal to a key in another case."""
    otherwise: Otherwise = "reject"
    """What happens to a value that is not in the table: `keep` keeps the value, `missing` replaces it by an empty value,
    `reject` rejects the employee."""

    @model_validator(mode="after")
    def _validate_keys(self) -> Self:
        if self.ignore_case and len({key.casefold() for key in self.table}) < len(self.table):
            raise ValueError("two keys of the table differ in their case only: remove one, or distinguish case")
        return self


class Join(FrozenModel):
    """Joins the entries of a list into one text. A number or boolean becomes a text."""

    kind: Literal["join"] = "join"
    separator: str = Field(", ", max_length=MAX_SEPARATOR)
    """Text between two entries."""


class Split(FrozenModel):
    """Splits a text into a list. The spaces at both ends of the entries are removed, and empty entries as well. The entries of a
    list are split into one list. A number or boolean is one entry.
    """

    kind: Literal["split"] = "split"
    separator: Separator = ","
    """Text between two entries."""


class First(FrozenModel):
    """Selects the first entry of a list that is not empty. A single value stays as it is."""

    kind: Literal["first"] = "first"


class Extract(FrozenModel):
    """Selects the first part of a text that matches a regular expression. A number or boolean is read as its text in JSON."""

    kind: Literal["extract"] = "extract"
    pattern: Pattern
    """Regular expression in the syntax of RE2, which has no look-around and no back-references."""
    group: StrictInt | StrictStr | None = None
    """Number or name of the group to select. Null selects group 1, or the whole match if the pattern has no group."""
    otherwise: Otherwise = "reject"
    """What happens to a value that the pattern does not match, or the group: `keep`, `missing` or `reject`."""


class Matching(FrozenModel):
    """Keeps the entries of a list that match a regular expression. A single value that does not match becomes empty. A number or
    boolean is compared as its text in JSON.
    """

    kind: Literal["matching"] = "matching"
    pattern: Pattern
    """Regular expression in the syntax of RE2. It may match a part of the value: `^` and `$` stand for its ends."""


class Phone(FrozenModel):
    """Changes a telephone number to the form E.164. Only a valid number without letters and extension fits. A number without a
    plus that begins with the country code is ambiguous and does not fit.
    """

    kind: Literal["phone"] = "phone"
    region: str = Field("DE", pattern="^[A-Z]{2}$")
    """Country of numbers without a country code, as two letters (ISO 3166-1)."""
    otherwise: Otherwise = "reject"
    """What happens to a value that does not fit: `keep`, `missing` or `reject`."""


class Iban(FrozenModel):
    """Changes an IBAN to uppercase without spaces. Country, length and check digits have to be valid."""

    kind: Literal["iban"] = "iban"
    otherwise: Otherwise = "reject"
    """What happens to a value that is not an IBAN: `keep`, `missing` or `reject`."""


class LanguageTag(FrozenModel):
    """Changes a language to its tag (BCP 47) in canonical case. The language is a tag, such as `de`, `DE_de` or `ger`, or its
    German or English name. A tag consists of language, script and region.
    """

    kind: Literal["language_tag"] = "language_tag"
    separator: Literal["-", "_"] = "-"
    """Character between the parts of the tag."""
    region: Literal["keep", "add", "remove"] = "keep"
    """`keep` keeps the region as it is, `add` adds the most likely region to a tag without one, `remove` removes the region."""
    otherwise: Otherwise = "reject"
    """What happens to a value that is not a known language: `keep`, `missing` or `reject`."""


class Transliterate(FrozenModel):
    """Changes a text to ASCII. Characters without a counterpart are removed, and an emoji becomes its name between colons."""

    kind: Literal["transliterate"] = "transliterate"
    german: bool = True
    """Whether `ä`, `ö`, `ü` become `ae`, `oe`, `ue`, as in German. Otherwise they become `a`, `o`, `u`. `ß` is always `ss`."""


Transform = Annotated[
    Trim
    | Lower
    | Upper
    | Title
    | Default
    | DateFormat
    | NumberFormat
    | ToNumber
    | ValueTable
    | Join
    | Split
    | First
    | Extract
    | Matching
    | Phone
    | Iban
    | LanguageTag
    | Transliterate,
    Field(discriminator="kind"),
]
"""One step that changes a value."""
