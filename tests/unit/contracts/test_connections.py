"""What is entered for a connection is cleaned of what stands around it, and refused where it cannot be right."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.contracts.connections import Connection, DeclareeAccess, PersonioAccess
from tests.builders import connection

SECRET = SecretStr("s3cret/+=")


def personio(**values: Any) -> PersonioAccess:
    return PersonioAccess.model_validate({"client_id": "papi-1", "client_secret": SECRET, **values})


def problems(error: pytest.ExceptionInfo[ValidationError]) -> list[tuple[tuple[int | str, ...], str]]:
    return [(problem["loc"], problem["msg"]) for problem in error.value.errors()]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.personio.de",
        "https://scim.example:8443/a/b/SCIM/v2/",
        "http://127.0.0.1:8101",
        "http://[::1]:8101/v1",
        "HTTPS://API.Personio.DE",
    ],
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert personio(url=url).url == url
    assert DeclareeAccess(url=url, key=SECRET).url == url


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
        ("https://api.personio.de/?key=1", "leave out"),
        ("https://api.personio.de/#top", "leave out"),
        ("https://api.personio.de:port", "no address"),
        ("https://api.personio.de:99999", "no address"),
        ("https://[::1", "no address"),
        ("https://api.personio.de/a b", "blank"),
        ("https://api.personio.de\nHost: evil", "control character"),
        ("https://äpi.personio.de", "outside ASCII"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_being_quoted(url: str, problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        personio(url=url)
    ((place, message),) = problems(error)
    assert place == ("url",)
    assert problem in message
    assert len(url) < len("https://a") or url not in str(error.value)


@pytest.mark.parametrize(
    "around", ["{}", " {}\n", "{}\r\n", "\ufeff{}\n", "\ufeff {}", "\t{}\u200b", "\xa0{}\xa0"], ids=ascii
)
def test_what_a_file_or_a_paste_leaves_around_a_secret_is_no_part_of_it(around: str) -> None:
    text = around.format(SECRET.get_secret_value())
    assert personio(client_secret=SecretStr(text)).client_secret == SECRET
    assert DeclareeAccess(key=SecretStr(text)).key == SECRET
    assert personio(client_id=around.format("papi-1")).client_id == "papi-1"


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
def test_a_secret_that_cannot_be_sent_is_refused_without_being_quoted(secret: str, problem: str) -> None:
    for model, values in (
        (PersonioAccess, {"client_id": "papi-1", "client_secret": secret}),
        (DeclareeAccess, {"key": secret}),
        (PersonioAccess, {"client_id": secret, "client_secret": SECRET}),
    ):
        with pytest.raises(ValidationError) as error:
            model.model_validate(values)
        ((_, message),) = problems(error)
        assert problem in message
        assert not secret.strip() or secret not in str(error.value)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x1b[31mred"])
def test_a_name_is_a_text_of_one_line(name: str) -> None:
    with pytest.raises(ValidationError):
        Connection.model_validate({**connection().model_dump(), "name": name})
    assert Connection.model_validate({**connection().model_dump(), "name": " Müller & Söhne "}).name == "Müller & Söhne"
