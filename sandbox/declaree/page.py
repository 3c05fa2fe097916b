"""HTML page of the accounts, under the labels of Declaree's own user table, in English or German."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import islice
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse

from sandbox.declaree.administration import find_manager, select_accounts
from sandbox.declaree.directory import Directory, Entry, get_display_name
from sandbox.declaree.state import Declaree

PAGE_SIZE = 100
"""Accounts on a page."""
REFRESH_SECONDS = 5
"""Seconds after which the browser reloads the page."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --on: #187a3c; --off: #a33; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1.4rem; margin: 0; } header p { margin: 0; opacity: .75; }
form { margin-left: auto; } input { font: inherit; padding: .25rem .5rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: Canvas; } tbody tr:hover { background: var(--soft); }
.off td { opacity: .6; } .yes { color: var(--on); } .no { color: var(--off); }
nav { display: flex; gap: 1rem; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts of the page in one language."""

    title: str
    """Title of the page."""
    summary: str
    """Format of the line with the totals."""
    columns: tuple[str, ...]
    """Labels of the columns."""
    yes: str
    """Text for true."""
    no: str
    """Text for false."""
    empty: str
    """Text of a table without rows."""
    search: str
    """Label of the search field."""
    previous: str
    """Link to the previous page."""
    next: str
    """Link to the next page."""
    other_language: str
    """Link to the page in the other language."""


TEXTS = {
    "en": Texts(
        title="Declaree (sandbox): users",
        summary="{total} users, {active} enabled, {inactive} disabled",
        columns=("Username", "First name", "Last name", "Enabled", "Invited", "Submits to", "External ID", "Id"),
        yes="yes",
        no="no",
        empty="No users",
        search="Search",
        previous="Previous",
        next="Next",
        other_language="Deutsch",
    ),
    "de": Texts(
        title="Declaree (Sandbox): Benutzer",
        summary="{total} Benutzer, {active} aktiviert, {inactive} deaktiviert",
        columns=(
            "Benutzername",
            "Vorname",
            "Nachname",
            "Aktiviert",
            "Eingeladen",
            "Einreichen an",
            "Externe ID",
            "Id",
        ),
        yes="ja",
        no="nein",
        empty="Keine Benutzer",
        search="Suchen",
        previous="Zurück",
        next="Weiter",
        other_language="English",
    ),
}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Parameters of the page."""

    language: str
    """``en`` or ``de``."""
    search: str
    """Search text; empty shows all accounts."""
    start: int
    """Index of the first account, from 0."""

    def build_link(self, **changes: object) -> str:
        """Returns the escaped address of the page with changed parameters."""
        parameters = {"lang": self.language, "q": self.search, "start": self.start, **changes}
        return escape("/?" + urlencode({name: value for name, value in parameters.items() if value}), quote=True)


async def show_accounts(request: Request) -> HTMLResponse:
    """Answers with the page. Invalid parameters fall back to their defaults."""
    declaree: Declaree = request.app.state.declaree
    parameters = request.query_params
    start = parameters.get("start", "")
    view = PageRequest(
        language="de" if parameters.get("lang") == "de" else "en",
        search=parameters.get("q", ""),
        start=int(start) if start.isdecimal() else 0,
    )
    return HTMLResponse(render(declaree.directory, view))


def render(directory: Directory, view: PageRequest) -> str:
    """Returns the HTML of the page."""
    texts = TEXTS[view.language]
    entries = list(select_accounts(directory, {"q": view.search}))
    page = list(islice(entries, view.start, view.start + PAGE_SIZE))
    total = len(directory.users)
    summary = texts.summary.format(total=total, active=directory.active, inactive=total - directory.active)
    return (
        f'<!doctype html><html lang="{view.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(texts.title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(texts.title)}</h1><p>{escape(summary)}</p>{_render_form(texts, view)}</header>"
        f'<div class="table">{_render_table(page, texts, directory)}</div>'
        f"{_render_links(texts, view, len(entries))}</body></html>"
    )


def _render_form(texts: Texts, view: PageRequest) -> str:
    language = "en" if view.language == "de" else "de"
    return (
        f'<form><input type="hidden" name="lang" value="{view.language}">'
        f'<input type="search" name="q" value="{escape(view.search, quote=True)}" '
        f'placeholder="{escape(texts.search)}" aria-label="{escape(texts.search)}"> '
        f'<a href="{view.build_link(lang=language)}">{escape(texts.other_language)}</a></form>'
    )


def _render_table(page: list[Entry], texts: Texts, directory: Directory) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in texts.columns)
    rows = "".join(_render_row(entry, texts, directory) for entry in page)
    empty = f'<tr><td colspan="{len(texts.columns)}">{escape(texts.empty)}</td></tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows or empty}</tbody></table>"


def _render_row(entry: Entry, texts: Texts, directory: Directory) -> str:
    resource, manager = entry.resource, find_manager(entry, directory)
    active = bool(resource.get("active"))
    cells: Iterable[str] = (
        _render_cell(resource["userName"]),
        _render_cell(resource["name"]["givenName"]),
        _render_cell(resource["name"]["familyName"]),
        _render_flag(texts, on=active),
        _render_flag(texts, on=entry.invited),
        _render_cell(get_display_name(manager) if manager else "–"),
        _render_cell(resource.get("externalId", "–")),
        _render_cell(entry.id),
    )
    return f'<tr class="{"on" if active else "off"}">{"".join(cells)}</tr>'


def _render_cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _render_flag(texts: Texts, *, on: bool) -> str:
    return f'<td class="{"yes" if on else "no"}">{escape(texts.yes if on else texts.no)}</td>'


def _render_links(texts: Texts, view: PageRequest, total: int) -> str:
    links: list[str] = []
    if view.start > 0:
        links.append(f'<a href="{view.build_link(start=max(view.start - PAGE_SIZE, 0))}">{escape(texts.previous)}</a>')
    if view.start + PAGE_SIZE < total:
        links.append(f'<a href="{view.build_link(start=view.start + PAGE_SIZE)}">{escape(texts.next)}</a>')
    return f"<nav>{''.join(links)}</nav>"
