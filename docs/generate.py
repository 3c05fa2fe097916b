"""Writes what of the documentation is generated from the code: ``make docs``.

``tests/test_docs.py`` generates the same in memory and compares, so that none of it is ever behind the code.
"""

from collections.abc import Callable
from pathlib import Path

from docs.generators import asyncapi, cli, events, mappings, metrics, settings

FOLDER = Path(__file__).parent

DOCUMENTS: dict[str, Callable[[], str]] = {
    "asyncapi.json": asyncapi.text,
    "cli.md": cli.text,
    "events.md": events.text,
    "mappings.md": mappings.text,
    "metrics.md": metrics.text,
    "settings.md": settings.text,
}


def main() -> None:
    for name, text in DOCUMENTS.items():
        (FOLDER / name).write_text(text(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
