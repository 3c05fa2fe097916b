"""Generates the pages that are derived from the code: ``make docs``.

``tests/test_docs.py`` generates them in memory and compares, so that no page is older than the code.
"""

from collections.abc import Callable
from pathlib import Path

from docs.generators import asyncapi, cli, events, metrics, settings
from docs.generators.mappings import page as mappings

FOLDER = Path(__file__).parent
"""Folder of the pages."""

DOCUMENTS: dict[str, Callable[[], str]] = {
    "asyncapi.json": asyncapi.generate,
    "cli.md": cli.generate,
    "events.md": events.generate,
    "mappings.de.md": mappings.generate_german,
    "mappings.md": mappings.generate_english,
    "metrics.md": metrics.generate,
    "settings.md": settings.generate,
}
"""The generator of each page."""


def main() -> None:
    """Writes all generated pages and prints their names."""
    for name, generate in DOCUMENTS.items():
        (FOLDER / name).write_text(generate(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
