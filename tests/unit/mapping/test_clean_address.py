"""Addresses that people type: what is corrected, what is kept, and the reason of each rejection."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from services.mapping.addresses import (
    MAX_BYTES,
    NO_ADDRESS,
    InvalidAddressError,
    clean_address,
    find_problem,
    is_plain,
)
from tests.unit.contracts.strategies import repeatable

INVISIBLE = [
    *(0x00AD, 0x034F, 0x061C, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E),
    *(0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0x2066, 0x2067, 0x2068, 0x2069, 0xFE0F, 0xFEFF, 0xE0041),
]
"""Invisible characters that copies from web pages, chats and documents contain."""


@pytest.mark.parametrize("code", INVISIBLE, ids=hex)
def test_invisible_characters_are_removed(code: int) -> None:
    """A person cannot see the character, and so cannot correct it."""
    hidden = chr(code)

    assert clean_address(f"{hidden} ad{hidden}a@{hidden}x.example {hidden}") == "ada@x.example"


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085"], ids=ascii)
def test_outer_white_space_is_removed(space: str) -> None:
    """Copied cells end with spaces and line breaks of any kind."""
    assert clean_address(f"{space}ada@x.example{space}") == "ada@x.example"


@pytest.mark.parametrize(
    "address",
    [
        "ada@nordlicht.example",
        "Ada.Lovelace@Nordlicht.Example",
        "ada+card@sub.nordlicht.example",
        "o'brien_1-2@x.example",
        "_ada@x.example",
        "a@x.test",
        "ada@printer.local",
        "ada@localhost",
        "ada@intern",
        "ada@x_y.example",
        "ada@1.2.3.4",
        "a!#$%&*+/=?^_`{|}~-@x.example",
        "jürgen.größ@x.example",
        "ÄDA@x.example",
        "ada@münchen.example",
        "ada@MÜNCHEN.example",
        "ada@xn--mnchen-3ya.example",
        "jose\u0301@cafe\u0301.example",
        "boſs@x.example",
        "用户@例子.广告",
        "अजय@उदाहरण.परीक्षा",
        f"{'a' * 64}@{'b' * 60}.example",
    ],
)
def test_valid_address_stays_unchanged(address: str) -> None:
    """Case, letters outside ASCII and private domains are the server's business."""
    assert clean_address(address) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", NO_ADDRESS),
        (" \u200b\n", NO_ADDRESS),
        ("ada", "does not contain an @"),
        ("ada.x.example", "does not contain an @"),
        ("ada\uff20x.example", "does not contain an @"),
        ("ada(at)x.example", "does not contain an @"),
        ("@x.example", "contains nothing before the @"),
        ("ada@", "contains nothing after the @"),
        ("ada@@x.example", "contains more than one @"),
        ("ada@home@x.example", "contains more than one @"),
        ("ada@x.example, eva@x.example", "contains more than one e-mail address"),
        ("ada@x.example;eva@x.example", "contains more than one e-mail address"),
        ("ada@x.example eva@x.example", "contains more than one e-mail address"),
        ("ada@x.example\neva@x.example", "contains more than one e-mail address"),
        ("ada@x.example / eva@x.example", "contains more than one e-mail address"),
        ("Ada <ada@x.example>, Eva <eva@x.example>", "contains more than one e-mail address"),
        ("mailto:ada@x.example", "begins with a label such as mailto"),
        ("MAILTO: ada@x.example", "begins with a label such as mailto"),
        ("E-Mail: ada@x.example", "begins with a label such as mailto"),
        ("smtp:ada@x.example", "begins with a label such as mailto"),
        ("<ada@x.example>", "contains angle brackets"),
        ("Ada Lovelace <ada@x.example>", "contains angle brackets"),
        ("ada@x.example>", "contains angle brackets"),
        ('"ada@x.example"', "contains quotation marks"),
        ("„ada@x.example“", "contains quotation marks"),
        ('"ada lovelace"@x.example', "contains quotation marks"),
        ("ada lovelace@x.example", "contains a space or a line break"),
        ("ada @x.example", "contains a space or a line break"),
        ("ada@x.example (office)", "contains a space or a line break"),
        ("ada\u00a0lovelace@x.example", "contains a space or a line break"),
        ("ada\tlovelace@x.example", "contains a space or a line break"),
        ("ada@x.\nexample", "contains a space or a line break"),
        ("ada\x00@x.example", "contains a control character"),
        ("ada@x.example\x7f", "contains a control character"),
        ("ada\x1b@x.example", "contains a control character"),
        ("\ud800ada@x.example", "contains a damaged character"),
        ("ada@x.exam\udcfcple", "contains a damaged character"),
        ("j\ufffdrgen@x.example", "contains a damaged character"),
        ("ada..lovelace@x.example", "contains two dots in a row"),
        ("ada@x..example", "contains two dots in a row"),
        ("ada@x.example..", "contains two dots in a row"),
        ("ada.@x.example", "contains a dot beside the @"),
        ("ada@.x.example", "contains a dot beside the @"),
        ("ada@x\u3002example", "contains a full-width dot"),
        (".ada@x.example", "begins with a punctuation mark"),
        ("'ada@x.example", "begins with a punctuation mark"),
        ("*ada@x.example", "begins with a punctuation mark"),
        ("(ada@x.example)", "begins with a punctuation mark"),
        ("‚ada@x.example‘", "begins with a punctuation mark"),
        ("ada@x.example.", "ends with a punctuation mark"),
        ("ada@x.example,", "ends with a punctuation mark"),
        ("ada@x.example;", "ends with a punctuation mark"),
        ("ada@x.example…", "ends with a punctuation mark"),
        ("ada@x.example’", "ends with a punctuation mark"),
        ("ada@x.example-", "ends with a punctuation mark"),
        ("ada@[127.0.0.1]", "ends with a punctuation mark"),
        ("ada,lovelace@x.example", "contains a character that is invalid"),
        ("ada(office)@x.example", "contains a character that is invalid"),
        ("ada\\eva@x.example", "contains a character that is invalid"),
        ("ada@x,example", "contains a character that is invalid"),
        ("ada@x.example:25", "contains a character that is invalid"),
        ("ada@x.example/help", "contains a character that is invalid"),
        (f"{'a' * 250}@x.example", f"contains more than {MAX_BYTES} bytes"),
        ("@," * 1_000_000, f"contains more than {MAX_BYTES} bytes"),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_mistake_is_rejected_with_its_reason(text: str, problem: str) -> None:
    """The reason says what is wrong and what to do, and never contains the value."""
    with pytest.raises(InvalidAddressError) as raised:
        clean_address(text)

    message = str(raised.value)
    assert message.startswith(problem)
    assert message.endswith(("in Personio", ", without a name"))
    assert "ada" not in message
    assert raised.value.__cause__ is None


_LABELS = st.text("abcXYZ019äß", min_size=1, max_size=9)
_LOCALS = st.lists(st.text("abcXYZ019äß+_-'", min_size=1, max_size=9), min_size=1, max_size=3).map(".".join)


@repeatable
@given(_LOCALS.filter(lambda local: local[0] != "'"), st.lists(_LABELS, min_size=1, max_size=4).map(".".join))
def test_accepted_addresses_of_a_library_are_kept(local: str, domain: str) -> None:
    """An address that another implementation of the standards accepts must not cost an employee the account."""
    address = f"{local}@{domain}"
    try:
        validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return

    assert clean_address(address) == address


@repeatable
@given(st.text(st.characters() | st.sampled_from('@@@.,:;<>" \u200b'), max_size=30))
def test_any_text_is_cleaned_once_or_rejected(text: str) -> None:
    """A cleaned address is clean, and no other error occurs."""
    try:
        address = clean_address(text)
    except InvalidAddressError:
        return

    assert clean_address(address) == address
    assert address.count("@") == 1
    assert not set(address) & {*map(chr, INVISIBLE)}


@repeatable
@given(st.text("aZ9_-.+@ ", min_size=1, max_size=12), st.booleans())
def test_pattern_of_plain_addresses_accepts_no_mistake(text: str, is_complete: bool) -> None:
    """All that it matches passes every check: it saves their time, and decides nothing."""
    address = f"a@{text}.example" if is_complete else text

    if is_plain(address):
        assert find_problem(address) is None
