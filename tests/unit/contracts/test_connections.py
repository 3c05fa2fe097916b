"""Entered values of a connection lose the space around them and are rejected if they are invalid."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.contracts.connections import Connection, DeclareeAccess, PersonioAccess, normalise_server
from tests.support.builders import make_connection

SECRET = SecretStr("s3cret/+=")


def build_personio(**values: Any) -> PersonioAccess:
    """Returns a valid access with these values."""
    return PersonioAccess.model_validate({"client_id": "papi-1", "client_secret": SECRET, **values})


def list_problems(error: pytest.ExceptionInfo[ValidationError]) -> list[tuple[tuple[int | str, ...], str]]:
    """Returns the location and the message of each problem."""
    return [(problem["loc"], problem["msg"]) for problem in error.value.errors()]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.personio.de",
        "https://scim.example:8443/a/b/SCIM/v2/",
        "https://127.0.0.1:8101",
        "https://[::1]:8101/v1",
        "HTTPS://API.Personio.DE",
    ],
)
def test_valid_address_is_kept_unchanged(url: str) -> None:
    """An address is stored as the administrator entered it."""
    assert build_personio(url=url).url == url
    assert DeclareeAccess(url=url, key=SECRET).url == url


@pytest.mark.parametrize("url", ["http://api.personio.de", "HTTP://api.personio.de/v1"])
def test_unencrypted_address_needs_the_permission(url: str) -> None:
    """Only an address of a test system may begin with http://."""
    for build in (build_personio, lambda **values: DeclareeAccess(key=SECRET, **values)):
        with pytest.raises(ValidationError, match="the address is not encrypted: begin with https://"):
            build(url=url)

        assert build(url=url, insecure_http=True).url == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "empty"),
        ("api.personio.de", "begin with https://"),
        ("ftp://api.personio.de", "begin with https://"),
        ("https://", "begin with https://"),
        ("https:///v1", "begin with https://"),
        ("https://user:pass@api.personio.de", "user or password"),
        ("https://@api.personio.de", "user or password"),
        ("https://api.personio.de/?key=1", "query or fragment"),
        ("https://api.personio.de/#top", "query or fragment"),
        ("https://api.personio.de:port", "the address is invalid"),
        ("https://api.personio.de:99999", "the address is invalid"),
        ("https://[::1", "the address is invalid"),
        ("https://api.personio.de/a b", "contains a space"),
        ("https://api.personio.de\nHost: evil", "control character"),
        ("https://äpi.personio.de", "outside ASCII"),
    ],
)
def test_invalid_address_is_rejected_without_quoting_it(url: str, problem: str) -> None:
    """The message says what is wrong; an address may contain a password."""
    with pytest.raises(ValidationError) as error:
        build_personio(url=url)
    ((location, message),) = list_problems(error)

    assert location == ("url",)
    assert problem in message
    assert len(url) < len("https://a") or url not in str(error.value)


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://APP.Declaree.com/SCIM/v2",
        "https://app.declaree.com:443/SCIM/v2/",
        "https://app.declaree.com./SCIM//v2",
        "https://app.declaree.com/scim/V2",
        "https://app.declaree.com/./%53CIM/v2",
        "https://app.declaree.com/other/../SCIM/v2",
        "https://app.declaree.com/../a/b/%2e%2e/.%2E/SCIM/v2",
        "https://app.declaree.com/SCIM;a=b/v2;c",
        "https://app.declaree.com/SCIM\\v2",
    ],
)
def test_spellings_of_one_server_are_one(url: str) -> None:
    """Two companies enter the address of their Declaree in two spellings: the owners of its accounts are the same."""
    assert normalise_server(url) == normalise_server("https://app.declaree.com/SCIM/v2")


@pytest.mark.parametrize(
    "url",
    ["https://app.declaree.de/SCIM/v2", "https://app.declaree.com:8443/SCIM/v2", "https://app.declaree.com/b/SCIM/v2"],
)
def test_other_host_port_or_path_is_another_server(url: str) -> None:
    """A host may serve several administrations under different paths, with the same ids."""
    assert normalise_server(url) != normalise_server("https://app.declaree.com/SCIM/v2")


@pytest.mark.parametrize(
    "around", ["{}", " {}\n", "{}\r\n", "\ufeff{}\n", "\ufeff {}", "\t{}\u200b", "\xa0{}\xa0"], ids=ascii
)
def test_space_around_a_secret_is_removed(around: str) -> None:
    """Files and copied text add line ends and invisible characters."""
    text = around.format(SECRET.get_secret_value())

    assert build_personio(client_secret=SecretStr(text)).client_secret == SECRET
    assert DeclareeAccess(key=SecretStr(text)).key == SECRET
    assert build_personio(client_id=around.format("papi-1")).client_id == "papi-1"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "empty"),
        (" \n\ufeff", "empty"),
        ("kéy", "outside ASCII"),
        ("pa\u2013pi", "outside ASCII"),
        ("one\u200btwo", "outside ASCII"),
        ("one\ntwo", "control character"),
        ("one\x00two", "control character"),
        ("one\x7f", "control character"),
    ],
    ids=ascii,
)
@pytest.mark.promise("P7")
def test_invalid_secret_is_rejected_without_quoting_it(secret: str, problem: str) -> None:
    """A value that cannot be a header is rejected, and the message does not contain it."""
    for model, values in (
        (PersonioAccess, {"client_id": "papi-1", "client_secret": secret}),
        (DeclareeAccess, {"key": secret}),
        (PersonioAccess, {"client_id": secret, "client_secret": SECRET}),
    ):
        with pytest.raises(ValidationError) as error:
            model.model_validate(values)
        ((_, message),) = list_problems(error)
        assert problem in message
        assert not secret.strip() or secret not in str(error.value)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x1b[31mred"])
def test_name_is_one_line_of_text(name: str) -> None:
    """Control characters in a name would confuse a terminal."""
    with pytest.raises(ValidationError):
        Connection.model_validate({**make_connection().model_dump(), "name": name})

    assert (
        Connection.model_validate({**make_connection().model_dump(), "name": " Müller & Söhne "}).name
        == "Müller & Söhne"
    )
