"""A sealed secret opens at its own location only, with any of the keys."""

import base64
import os

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from services.store.encryption import FORMAT, Cipher, SecretLocation
from services.store.errors import EncryptionKeyError
from tests.support.keys import make_key

LOCATION = SecretLocation("c1", "declaree", "key", "https://app.declaree.com/SCIM/v2")
SECRET = SecretStr("declaree-key-value")
KEY = make_key()


def make_cipher(*keys: str) -> Cipher:
    return Cipher([SecretStr(key) for key in keys])


def seal_without_location(key: str) -> str:
    """Returns a valid token without associated data."""
    nonce = os.urandom(12)
    sealed = AESGCM(base64.urlsafe_b64decode(key)).encrypt(nonce, b"{}", None)
    return FORMAT + base64.urlsafe_b64encode(nonce + sealed).decode()


# ------------------------------------------------------------ locations


def test_secret_opens_at_its_location() -> None:
    """Any character can be sealed."""
    cipher = make_cipher(KEY)

    assert cipher.open(LOCATION, cipher.seal(LOCATION, SecretStr("ü € \n"))).get_secret_value() == "ü € \n"


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    "change",
    [
        {"connection": "c2"},
        {"block": "personio"},
        {"name": "key_header"},
        {"address": "https://app.declaree.com/SCIM/v2/"},
        {"address": "http://app.declaree.com/SCIM/v2"},
        {"address": "https://attacker.example/SCIM/v2"},
    ],
)
def test_secret_opens_at_no_other_location(change: dict[str, str]) -> None:
    """A writer of the database changes the address, or copies a token to another field or connection."""
    cipher = make_cipher(KEY)

    with pytest.raises(EncryptionKeyError, match="was stored for another connection, field or address"):
        cipher.open(LOCATION._replace(**change), cipher.seal(LOCATION, SECRET))


def test_parts_of_a_location_are_kept_apart() -> None:
    """The same characters in other parts are another location."""
    cipher = make_cipher(KEY)
    token = cipher.seal(SecretLocation("c1", "a", "b", "x"), SECRET)

    with pytest.raises(EncryptionKeyError):
        cipher.open(SecretLocation("c1", "a", "bx", ""), token)


# ------------------------------------------------------------ tokens


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        {"$ne": None},
        b"bytes",
        "",
        "not a token",
        "gAAAü",
        Fernet(Fernet.generate_key()).encrypt(b"{}").decode(),
        FORMAT,
        f"{FORMAT}ü",
        f"{FORMAT}AAAA",
        f"{FORMAT}{'A' * 17}",
        "aes512gcm:" + "A" * 64,
    ],
    ids=range(13),
)
def test_unknown_format_names_the_location_and_the_command(token: object) -> None:
    """Nothing but the error of the secret reaches the caller."""
    with pytest.raises(EncryptionKeyError, match=r"c1/declaree\.key .* `connections secrets c1 --declaree`"):
        make_cipher(KEY).open(LOCATION, token)


@pytest.mark.parametrize("token", [seal_without_location(KEY), f"{FORMAT}{'A' * 64}"], ids=["no location", "no key"])
def test_valid_form_that_does_not_open_names_the_command(token: str) -> None:
    """The token has the right form and length, but was not sealed for any location."""
    with pytest.raises(EncryptionKeyError, match=r"does not open .* `connections list`.* secrets c1 --declaree`"):
        make_cipher(KEY).open(LOCATION, token)


def test_altered_token_does_not_open() -> None:
    """Each character counts."""
    cipher = make_cipher(KEY)
    token = cipher.seal(LOCATION, SECRET)
    altered = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]

    with pytest.raises(EncryptionKeyError):
        cipher.open(LOCATION, altered)


# ------------------------------------------------------------ keys


def test_first_key_seals_and_every_key_opens() -> None:
    """During a rotation, secrets under both keys are in use."""
    old, new = make_key(), make_key()
    token = make_cipher(old).seal(LOCATION, SECRET)

    renewed = make_cipher(new, old).reseal(LOCATION, token)

    assert make_cipher(new, old).open(LOCATION, token) == SECRET
    assert make_cipher(new).open(LOCATION, renewed) == SECRET
    with pytest.raises(EncryptionKeyError):
        make_cipher(old).open(LOCATION, renewed)


def test_key_is_read_in_both_alphabets_of_base64() -> None:
    """The command `base64` writes + and /, `make env` writes - and _."""
    key = b"\xfb\xef\xbe" * 10 + b"\xff\xff"
    token = make_cipher(base64.b64encode(key).decode()).seal(LOCATION, SECRET)

    assert make_cipher(base64.urlsafe_b64encode(key).decode()).open(LOCATION, token) == SECRET


@pytest.mark.parametrize("keys", [[], [""], ["short"], [KEY, "x" * 43], [KEY, "ü" * 44], [KEY + "AAAA"]])
def test_invalid_keys_are_rejected_with_how_to_make_one(keys: list[str]) -> None:
    """The message has the command that prints a valid key."""
    with pytest.raises(EncryptionKeyError, match=r"head -c 32 /dev/urandom \| base64"):
        make_cipher(*keys)
