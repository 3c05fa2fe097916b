"""``docs/settings.md``: every setting of every service, with meaning and default."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings

from docs.generators.markdown import code, page, table
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

SECRETS_OF_A_CONNECTION: Mapping[str, str] = {
    "PERSONIO_CLIENT_SECRET": "Personio's `client_secret`",
    "DECLAREE_KEY": "Declaree's API key",
}
"""What ``connections add`` and ``connections secrets`` take from the environment, and store encrypted."""

INTRODUCTION = """\
Settings are environment variables; the same name means the same to every service. `.env.example` lists them in the
form that `docker compose` reads. What has no default is required: without it a service ends at once, with exit code
78 and the setting's name. A secret can come from a file instead, as container engines hand them over: `…_FILE` holds
the file's path, such as `ENCRYPTION_KEYS_FILE`."""

CREDENTIALS = """\
The credentials of Personio and Declaree belong to a connection and stand encrypted in MongoDB. Only the commands that
deposit them, `connections add` and `connections secrets`, read them from the environment, and ask for what is not
there:"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as far as all of its readers agree on it."""

    name: str
    meaning: str
    default: str | None
    """As it would stand in the environment; empty for none, None where one has to be given."""
    secret: bool
    read_by: tuple[str, ...]


def all_settings() -> tuple[Setting, ...]:
    """In the order in which the classes name them."""
    found: dict[str, dict[str, Any]] = {}
    readers: dict[str, list[str]] = defaultdict(list)
    required: set[str] = set()
    for reader, settings in READERS.items():
        schema = settings.model_json_schema()
        required |= {name.upper() for name in schema.get("required", ())}
        for name, described in schema["properties"].items():
            found.setdefault(name.upper(), described)
            readers[name.upper()].append(reader)
    return tuple(
        Setting(
            name=name,
            meaning=" ".join([described.get("description", ""), *_limits(described)]),
            default=None if name in required else _as_text(described["default"]),
            secret=_is_secret(described),
            read_by=tuple(readers[name]),
        )
        for name, described in found.items()
    )


def _as_text(default: object) -> str:
    return "" if default is None else str(default)


def _limits(described: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in described:
        yield f"({', '.join(map(code, described['enum']))})"
    if "maximum" in described:
        yield f"({described['minimum']} to {described['maximum']})"


def _is_secret(described: Mapping[str, Any]) -> bool:
    return any(part.get("format") == "password" for part in (described, *described.get("anyOf", ())))


def text() -> str:
    groups: dict[tuple[str, ...], list[Setting]] = defaultdict(list)
    for setting in all_settings():
        groups[setting.read_by].append(setting)
    by_sharing = sorted(groups.items(), key=lambda group: -len(group[0]))
    parts = [part for readers, settings in by_sharing for part in (_heading(readers), _table(settings))]
    secrets = table(("Variable", "Meaning"), [(code(name), text) for name, text in SECRETS_OF_A_CONNECTION.items()])
    return page("Settings", INTRODUCTION, *parts, "## Credentials of a connection", CREDENTIALS, secrets)


def _heading(readers: tuple[str, ...]) -> str:
    if len(readers) == len(READERS):
        return "## Read by all services and the commands"
    return f"## Read by {' and '.join(filter(None, (', '.join(readers[:-1]), readers[-1])))}"


def _table(settings: list[Setting]) -> str:
    rows = [
        (code(each.name), each.meaning + (" *(secret)*" if each.secret else ""), _default(each)) for each in settings
    ]
    return table(("Setting", "Meaning", "Default"), rows)


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "required"
    return code(setting.default) if setting.default else "none"
