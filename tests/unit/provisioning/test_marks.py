"""What an account can be found by."""

from services.provisioning.marks import list_request_marks
from tests.support.builders import make_request


def test_every_text_in_an_email_field_is_a_mark() -> None:
    """A server keeps each address once, whether or not it has an @."""
    fields = {"title": "Cook", 'emails[type eq "home"].value': "Foo", "nickName": "ada@nordlicht.example"}

    marks = list_request_marks(make_request("7", fields=fields))

    assert marks.addresses == ("e7@nordlicht.example", "foo", "ada@nordlicht.example")
