"""Generates ``docs/settings.md``: every setting of every service, with its meaning and default."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings

from docs.generators.markdown import build_page, build_table, format_code
from services.cli.context import CliSettings
from services.mapper.settings import MapperSettings
from services.poller.settings import PollerSettings
from services.writer.settings import WriterSettings

READERS: Mapping[str, type[BaseSettings]] = {
    "poller": PollerSettings,
    "mapper": MapperSettings,
    "writer": WriterSettings,
    "commands": CliSettings,
}
"""The settings of each service, and of the commands."""

CONNECTION_SECRETS: Mapping[str, str] = {
    "PERSONIO_CLIENT_SECRET": "Personio's `client_secret`",
    "DECLAREE_KEY": "Declaree's API key",
}
"""Variables that ``connections add`` and ``connections secrets`` read. The secrets are stored encrypted."""

INTRODUCTION = """\
Settings are environment variables. A setting has the same meaning in every service. `.env.example` lists all settings in
the form that `docker compose` reads. A setting without a default is required: if it is missing, a service ends with exit
code 78 and prints the name of the setting. A secret can also come from a file, for container engines that mount secrets as
files. The variable with the suffix `_FILE`, such as `ENCRYPTION_KEYS_FILE`, then contains the path of the file."""

CREDENTIALS = """\
The credentials of Personio and Declaree belong to a connection and are stored encrypted in MongoDB. Two commands store
them: `connections add` and `connections secrets`. Only these commands read the variables below. They prompt for a
credential if its variable is not set."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. It has the same meaning for all of its readers."""

    name: str
    """Name of the environment variable."""
    meaning: str
    """Meaning and limits."""
    default: str | None
    """The default as written in the environment; empty for null, None if the setting is required."""
    secret: bool
    """Whether the value is a secret."""
    read_by: tuple[str, ...]
    """Names of the readers."""


def list_settings() -> tuple[Setting, ...]:
    """Returns all settings, in the order of the classes."""
    schemas: dict[str, dict[str, Any]] = {}
    readers: dict[str, list[str]] = defaultdict(list)
    required: set[str] = set()
    for reader, settings in READERS.items():
        schema = settings.model_json_schema()
        required |= {name.upper() for name in schema.get("required", ())}
        for name, field in schema["properties"].items():
            schemas.setdefault(name.upper(), field)
            readers[name.upper()].append(reader)
    return tuple(
        Setting(
            name=name,
            meaning=" ".join([" ".join(field.get("description", "").split()), *_describe_limits(field)]),
            default=None if name in required else _format_value(field["default"]),
            secret=_is_secret(field),
            read_by=tuple(readers[name]),
        )
        for name, field in schemas.items()
    )


def _format_value(default: object) -> str:
    return "" if default is None else str(default)


def _describe_limits(field: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in field:
        yield f"One of {', '.join(map(format_code, field['enum']))}."
    if "maximum" in field:
        yield f"From {field['minimum']} to {field['maximum']}."


def _is_secret(field: Mapping[str, Any]) -> bool:
    return any(part.get("format") == "password" for part in (field, *field.get("anyOf", ())))


def generate() -> str:
    """Returns the page, with the settings that most readers share first."""
    groups: dict[tuple[str, ...], list[Setting]] = defaultdict(list)
    for setting in list_settings():
        groups[setting.read_by].append(setting)
    by_sharing = sorted(groups.items(), key=lambda group: -len(group[0]))
    parts = [part for readers, settings in by_sharing for part in (_build_heading(readers), _build_settings(settings))]
    rows = [(format_code(name), meaning) for name, meaning in CONNECTION_SECRETS.items()]
    secrets = build_table(("Variable", "Meaning"), rows)
    return build_page("Settings", INTRODUCTION, *parts, "## Credentials of a connection", CREDENTIALS, secrets)


def _build_heading(readers: tuple[str, ...]) -> str:
    if len(readers) == len(READERS):
        return "## Read by all services and the commands"
    return f"## Read by {' and '.join(filter(None, (', '.join(readers[:-1]), readers[-1])))}"


def _build_settings(settings: list[Setting]) -> str:
    rows = [
        (
            format_code(setting.name),
            setting.meaning + (" *(secret)*" if setting.secret else ""),
            _format_default(setting),
        )
        for setting in settings
    ]
    return build_table(("Setting", "Meaning", "Default"), rows)


def _format_default(setting: Setting) -> str:
    if setting.default is None:
        return "required"
    return format_code(setting.default) if setting.default else "none"
