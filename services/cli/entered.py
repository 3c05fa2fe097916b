"""What people enter for a connection: checked as it is stored, and refused with the name of the option it came by."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr, TypeAdapter, ValidationError

from services.contracts.connections import Address, Credential, Label, Secret

INTERRUPTED = 130
"""The exit code of a command that was ended by Ctrl-C (128 and the signal's number)."""

_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
_CREDENTIAL: TypeAdapter[str] = TypeAdapter(Credential)
_LABEL: TypeAdapter[str] = TypeAdapter(Label)
_SECRET: TypeAdapter[SecretStr] = TypeAdapter(Secret)


def _checked(kind: TypeAdapter[Any], value: object, source: str | None = None) -> Any:
    """Where ``source`` is None, typer adds the option whose callback this is."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        (problem,) = error.errors(include_url=False, include_input=False, include_context=False)
        message = problem["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(message, param_hint=source and f"'{source}'") from None


def label(value: str) -> str:
    return str(_checked(_LABEL, value))


def address(value: str) -> str:
    return str(_checked(_ADDRESS, value))


def credential(value: str) -> str:
    return str(_checked(_CREDENTIAL, value))


def credential_if_any(value: str | None) -> str | None:
    return None if value is None else credential(value)


def named(value: str | None) -> str | None:
    """An id that narrows a command down: an empty one, as an unset variable of a shell gives it, widens nothing."""
    if value is not None and not value.strip():
        raise typer.BadParameter("it is empty")
    return value


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from: a file, the environment, or a prompt; never an argument, which others could see."""

    option: str
    variable: str
    prompt: str

    def given(self, file: Path | None) -> SecretStr | None:
        """None where there is neither a file nor a variable; an empty variable is none."""
        if file is not None:
            return self._secret(text(file, self.option), self.option)
        value = os.environ.get(self.variable)
        return self._secret(value, self.variable) if value else None

    def asked(self, file: Path | None) -> SecretStr:
        """Asks where nothing is given, and again after an answer that cannot be right."""
        found = self.given(file)
        if found is not None:
            return found
        while True:
            answer = self._prompted()
            try:
                return self._secret(answer, self.prompt)
            except typer.BadParameter as error:
                typer.echo(f"This cannot be it: {error.message}.", err=True)

    def origin(self, file: Path | None) -> str:
        """Where ``asked`` has it from, for those who may not have thought of a variable that is set."""
        if file is not None:
            return f"from {file}"
        return f"from {self.variable}" if os.environ.get(self.variable) else "as entered"

    def _prompted(self) -> str:
        nobody = typer.BadParameter(
            f"nobody answers; give it with {self.option} or {self.variable}", param_hint=self.prompt
        )
        if sys.stdin is None:
            raise nobody
        try:
            answer: str = typer.prompt(self.prompt, hide_input=True, err=True)  # what is asked is no part of the result
        except typer.Abort as abort:
            # Ctrl-C ends every command in the same way
            raise (typer.Exit(INTERRUPTED) if isinstance(abort.__context__, KeyboardInterrupt) else nobody) from None
        return answer

    def _secret(self, value: str, source: str) -> SecretStr:
        secret: SecretStr = _checked(_SECRET, value, source)
        return secret


def text(file: Path, option: str) -> str:
    """What is in a file that came by this option or argument."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise typer.BadParameter(f"{file}: {what}", param_hint=f"'{option}'") from None


PERSONIO_SECRET = SecretSource("--personio-secret-file", "PERSONIO_CLIENT_SECRET", "Personio client_secret")
DECLAREE_KEY = SecretSource("--declaree-key-file", "DECLAREE_KEY", "Declaree API key")
