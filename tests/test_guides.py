"""The pages for readers: each is linked, both languages of the administrator's guide agree, and named metrics exist."""

import re

from services.runtime.metrics import Metrics
from tests.support.documentation import ROOT, find_commands, list_files

DOCS = ROOT / "docs"
ENGLISH = (DOCS / "administrator.md").read_text(encoding="utf-8")
GERMAN = (DOCS / "administrator.de.md").read_text(encoding="utf-8")


def list_sections(guide: str) -> list[str]:
    """Returns the numbers of the sections."""
    return re.findall(r"^## (\d+)\. ", guide, re.MULTILINE)


def list_command_words(guide: str) -> set[str]:
    """Returns each shown command without its comment and its values, which differ by language."""
    commands = (command.partition("#")[0].split() for command in find_commands(guide))
    return {" ".join(word for word in words if re.fullmatch(r"[a-z_-]*[a-z]", word)) for words in commands}


def test_guides_for_administrators_have_the_same_sections() -> None:
    """A section that only one language has is not found by the readers of the other one."""
    assert list_sections(GERMAN) == list_sections(ENGLISH)


def test_guides_for_administrators_show_the_same_commands() -> None:
    """A command is added to both languages."""
    assert list_command_words(GERMAN) == list_command_words(ENGLISH)


def test_readme_links_every_page() -> None:
    """Readers begin with the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in sorted(DOCS.glob("*.md")) if f"(docs/{page.name}" not in readme] == []


def test_metrics_that_a_page_names_exist() -> None:
    """An alert on a metric with another name never fires."""
    known = {name for metric in Metrics().registry.collect() for name in (metric.name, f"{metric.name}_total")}

    named = {
        name for page in list_files("*.md") for name in re.findall(r"`(sync_[a-z_]+)", page.read_text(encoding="utf-8"))
    }

    assert named - known == set()
