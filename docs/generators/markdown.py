"""The little of Markdown that the generated pages need."""

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Generated from the code by `make docs`: change it there. -->"


def page(title: str, *parts: str) -> str:
    return "\n\n".join([NOTICE, f"# {title}", *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def block(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: one line a paragraph, code as Markdown marks it."""
    paragraphs = (docstring or "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def slug(heading: str) -> str:
    """The anchor that a heading of plain words gets."""
    return heading.lower().replace(" ", "-")
