"""Parses options, arguments and secrets of commands.

Values are validated as the store needs them. An invalid value ends the command with exit code 2 and the name of the
option, argument or variable.
"""

import getpass
import os
import sys
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError

from services.admin.mapping.documents import parse_document, parse_examples
from services.admin.mapping.versions import MAX_NOTE_LENGTH
from services.cli.context import fail
from services.contracts.connections import UNENCRYPTED, Address, Credential, Label, Secret, TimeZone, is_unencrypted
from services.contracts.examples import MAX_NAME_LENGTH as MAX_EXAMPLE_NAME_LENGTH
from services.contracts.examples import ExampleDocument
from services.contracts.mappings import MappingDocument
from services.errors import ConnectorError

MAX_NAME_LENGTH = 100
"""Maximum number of characters of the name of a person."""
INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended: 128 and the number of the signal."""

_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
_CREDENTIAL: TypeAdapter[str] = TypeAdapter(Credential)
_TIME_ZONE: TypeAdapter[str] = TypeAdapter(TimeZone)
_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_SECRET: TypeAdapter[SecretStr] = TypeAdapter(Secret)


def _validate(adapter: TypeAdapter[Any], value: object, source: str | None = None) -> Any:
    """Raises ``BadParameter`` for an invalid value. Without a ``source``, typer adds the option of the callback."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        (problem,) = error.errors(include_url=False, include_input=False, include_context=False)
        message = problem["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(message, param_hint=source and f"'{source}'") from None


def parse_label(value: str) -> str:
    """Returns a label of one line. Raises ``BadParameter``."""
    return str(_validate(_LABEL, value))


def parse_address(context: typer.Context, value: str) -> str:
    """Returns the address of an API. Raises ``BadParameter``, also for http:// without the option ``--insecure-http``."""
    address = str(_validate(_ADDRESS, value))
    if is_unencrypted(address) and not context.params.get("insecure_http"):
        raise typer.BadParameter(UNENCRYPTED)
    return address


def parse_time_zone(value: str | None) -> str | None:
    """Returns the name of a time zone; None if the argument is absent. Raises ``BadParameter``."""
    return None if value is None else str(_validate(_TIME_ZONE, value))


def parse_credential(value: str) -> str:
    """Returns a value that can be sent in an HTTP header. Raises ``BadParameter``."""
    return str(_validate(_CREDENTIAL, value))


def parse_optional_credential(value: str | None) -> str | None:
    """Returns a value that can be sent in an HTTP header; None if the option is absent. Raises ``BadParameter``."""
    return None if value is None else parse_credential(value)


def parse_optional_id(value: str | None) -> str | None:
    """Returns an id that limits a command; None if the option is absent. Raises ``BadParameter`` for an empty id.

    An unset shell variable gives an empty id. Without this error the command would then apply to everything.
    """
    if value is not None and not value.strip():
        raise typer.BadParameter("the id is empty")
    return value


def parse_optional_note(value: str | None) -> str | None:
    """Returns a note, if one is given. Raises ``BadParameter`` if it is too long."""
    if value is not None and len(value) > MAX_NOTE_LENGTH:
        raise typer.BadParameter(f"write at most {MAX_NOTE_LENGTH} characters")
    return value


def to_milliseconds(time: datetime) -> int:
    """Returns a time as Kafka writes it. Without a time zone, it is UTC, independent of the machine's time zone."""
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_example_name(value: str | None) -> str | None:
    """Returns the name of an example, if one is given. Raises ``BadParameter`` for one that cannot be printed on a line."""
    if value is not None and not (value.strip() and value.isprintable() and len(value) <= MAX_EXAMPLE_NAME_LENGTH):
        raise typer.BadParameter(f"write 1 to {MAX_EXAMPLE_NAME_LENGTH} characters on one line")
    return value if value is None else value.strip()


def get_author(by: str | None) -> str:
    """Returns the name that stays with a version or an example."""
    try:
        return (by or getpass.getuser())[:MAX_NAME_LENGTH]
    except (OSError, KeyError):  # a container may have an account without a name
        return "unknown"


def read_text(file: Path, option: str) -> str:
    """Returns the content of a file that ``option`` names. Raises ``BadParameter`` if it is not readable text."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "the content is not UTF-8 text"
        raise typer.BadParameter(f"{file}: {problem}", param_hint=f"'{option}'") from None


def read_mapping(file: Path) -> MappingDocument:
    """Returns the mapping in a file. Ends the command with the problems of a document that is wrong."""
    try:
        return parse_document(read_text(file, "file"))
    except ConnectorError as error:
        fail(error)


def read_examples(file: Path) -> ExampleDocument:
    """Returns the pinned examples in a file. Ends the command with the problems of a document that is wrong."""
    try:
        return parse_examples(read_text(file, "examples"))
    except ConnectorError as error:
        fail(error)


@dataclass(frozen=True, slots=True)
class SecretSource:
    """The sources of one secret: a file, a variable or a prompt. Other users of the machine could read an argument."""

    option: str
    """The option that names a file."""
    variable: str
    """The environment variable with the secret itself."""
    prompt: str
    """The text of the prompt: the name of the secret."""

    def read(self, file: Path | None) -> SecretStr | None:
        """Returns the secret from the file or the variable; None without a file and with an unset or empty variable.

        Raises ``BadParameter`` for a value that is not a secret.
        """
        if file is not None:
            return self._parse(read_text(file, self.option), self.option)
        value = os.environ.get(self.variable)
        return self._parse(value, self.variable) if value else None

    def read_or_prompt(self, file: Path | None) -> SecretStr:
        """Returns the secret from the file, the variable or the prompt. An invalid answer is prompted for again.

        Raises ``BadParameter`` if the file or variable is invalid, or if the prompt gets no answer.
        """
        secret = self.read(file)
        if secret is not None:
            return secret
        while True:
            answer = self._prompt()
            try:
                return self._parse(answer, self.prompt)
            except typer.BadParameter as error:
                typer.echo(f"Invalid value: {error.message}.", err=True)

    def describe_origin(self, file: Path | None) -> str:
        """Returns where ``read_or_prompt`` takes the secret from. It tells the user about a variable that is set."""
        if file is not None:
            return f"from {file}"
        return f"from {self.variable}" if os.environ.get(self.variable) else "from the prompt"

    def _prompt(self) -> str:
        no_answer = typer.BadParameter(
            f"the prompt got no answer: use {self.option} or {self.variable}", param_hint=f"'{self.prompt}'"
        )
        if sys.stdin is None:
            raise no_answer
        try:
            with warnings.catch_warnings():
                # without a terminal, getpass reads standard input and warns with a line of its own code
                warnings.simplefilter("ignore", getpass.GetPassWarning)
                # to standard error: standard output has the result only
                answer: str = typer.prompt(self.prompt, hide_input=True, err=True)
        except typer.Abort as abort:
            # typer raises Abort for Ctrl-C too, and would print a line: Ctrl-C ends every command silently
            interrupted = isinstance(abort.__context__, KeyboardInterrupt)
            raise (typer.Exit(INTERRUPTED) if interrupted else no_answer) from None
        return answer

    def _parse(self, value: str, source: str) -> SecretStr:
        secret: SecretStr = _validate(_SECRET, value, source)
        return secret


def confirm(question: str, options: str = "--yes") -> bool:
    """Returns whether the user agrees. Raises ``BadParameter`` if the prompt gets no answer.

    ``options`` are what the command needs to ask nothing.
    """
    try:
        return bool(typer.confirm(question, err=True))
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        raise typer.BadParameter(f"the question got no answer: add {options}", param_hint="'--yes'") from None


def confirm_by_name(question: str, names: Collection[str]) -> bool:
    """Returns whether the user enters one of the names. Raises ``BadParameter`` if the prompt gets no answer."""
    try:
        return str(typer.prompt(question, err=True)).strip() in names
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        raise typer.BadParameter("the question got no answer: add --yes", param_hint="'--yes'") from None


PERSONIO_SECRET = SecretSource("--personio-secret-file", "PERSONIO_CLIENT_SECRET", "Personio client_secret")
"""The client_secret of a Personio credential."""
DECLAREE_KEY = SecretSource("--declaree-key-file", "DECLAREE_KEY", "Declaree API key")
"""The API key of a Declaree administration."""
