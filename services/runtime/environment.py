"""Reads settings from the environment and from files with secrets. Only ``__main__`` modules and commands read settings."""

import os
import sys
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

EX_CONFIG = 78
"""Exit code of a process with invalid settings (sysexits.h)."""

S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """Returns the settings from the environment and from files with secrets.

    Ends the process with a line for each missing or invalid setting.
    """
    try:
        return settings(**read_secret_files(settings))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = "_".join(map(str, problem["loc"])).upper()
            message = problem["msg"].removeprefix("Value error, ")
            fact = "is missing" if problem["type"] == "missing" else f"is invalid: {message}"
            print(f"{name} {fact}; the settings are listed in .env.example", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        sys.exit(EX_CONFIG)


def read_secret_files(settings: type[BaseSettings]) -> dict[str, Any]:
    """Returns each secret that comes from a file, by the name of its field: the file that ``NAME_FILE`` names.

    Container engines provide secrets as files. A secret that the environment contains comes from there. Ends the process
    with a line that names the variable if the file cannot be read.
    """
    secrets: dict[str, Any] = {}
    for field, info in settings.model_fields.items():
        name = field.upper()
        path = os.environ.get(f"{name}_FILE")
        if SecretStr in {info.annotation, *get_args(info.annotation)} and path and not os.environ.get(name):
            try:
                secrets[field] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "the content is not UTF-8 text"
                print(f"{name}_FILE names a file that cannot be read: {reason}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
                sys.exit(EX_CONFIG)
    return secrets
