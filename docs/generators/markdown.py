"""The Markdown elements of the generated pages."""

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Generated from the code by `make docs`: edit it there. -->"
"""First line of every generated page."""


def build_page(title: str, *parts: str) -> str:
    """Returns a page with a title and these parts."""
    return "\n\n".join([NOTICE, f"# {title}", *parts]) + "\n"


def build_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table."""
    return build_rows([head, ["---"] * len(head), *rows])


def build_rows(rows: Iterable[Sequence[str]]) -> str:
    """Returns the rows of a table."""
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def format_code(text: str) -> str:
    """Returns the text as code within a line."""
    return f"`{text}`"


def format_block(text: str, language: str = "") -> str:
    """Returns the text as a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def format_docstring(docstring: str | None) -> str:
    """Returns a docstring as Markdown, with one line for each paragraph; an empty string for None."""
    paragraphs = (docstring or "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def make_anchor(heading: str) -> str:
    """Returns the anchor of a heading that consists of plain words."""
    return heading.lower().replace(" ", "-")
