"""The page for people: accounts under the labels of Declaree's own user table, English or German."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import islice
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse

from sandbox.declaree.administration import manager_of, matching
from sandbox.declaree.directory import Directory, Entry
from sandbox.declaree.documents import display_name
from sandbox.declaree.state import Declaree

PAGE_SIZE = 100
REFRESH_SECONDS = 5

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
    title: str
    summary: str
    columns: tuple[str, ...]
    yes: str
    no: str
    empty: str
    search: str
    previous: str
    following: str
    other_language: str


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
        following="Next",
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
        following="Weiter",
        other_language="English",
    ),
}


@dataclass(frozen=True, slots=True)
class View:
    """What the address bar asks for; ``start`` counts from 0."""

    language: str
    search: str
    start: int

    def link(self, **changes: object) -> str:
        parameters = {"lang": self.language, "q": self.search, "start": self.start, **changes}
        return escape("/?" + urlencode({name: value for name, value in parameters.items() if value}), quote=True)


async def accounts_page(request: Request) -> HTMLResponse:
    declaree: Declaree = request.app.state.declaree
    parameters = request.query_params
    start = parameters.get("start", "")
    view = View(
        language="de" if parameters.get("lang") == "de" else "en",
        search=parameters.get("q", ""),
        start=int(start) if start.isdecimal() else 0,
    )
    return HTMLResponse(render(declaree.directory, view))


def render(directory: Directory, view: View) -> str:
    texts = TEXTS[view.language]
    found = list(matching(directory, {"q": view.search}))
    page = list(islice(found, view.start, view.start + PAGE_SIZE))
    total = len(directory.users)
    summary = texts.summary.format(total=total, active=directory.active, inactive=total - directory.active)
    return (
        f'<!doctype html><html lang="{view.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(texts.title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(texts.title)}</h1><p>{escape(summary)}</p>{_form(texts, view)}</header>"
        f'<div class="table">{_table(page, texts, directory)}</div>{_links(texts, view, len(found))}</body></html>'
    )


def _form(texts: Texts, view: View) -> str:
    language = "en" if view.language == "de" else "de"
    return (
        f'<form><input type="hidden" name="lang" value="{view.language}">'
        f'<input type="search" name="q" value="{escape(view.search, quote=True)}" '
        f'placeholder="{escape(texts.search)}" aria-label="{escape(texts.search)}"> '
        f'<a href="{view.link(lang=language)}">{escape(texts.other_language)}</a></form>'
    )


def _table(page: list[Entry], texts: Texts, directory: Directory) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in texts.columns)
    rows = "".join(_row(entry, texts, directory) for entry in page)
    empty = f'<tr><td colspan="{len(texts.columns)}">{escape(texts.empty)}</td></tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows or empty}</tbody></table>"


def _row(entry: Entry, texts: Texts, directory: Directory) -> str:
    resource, manager = entry.resource, manager_of(entry, directory)
    active = bool(resource.get("active"))
    cells: Iterable[str] = (
        _cell(resource["userName"]),
        _cell(resource["name"]["givenName"]),
        _cell(resource["name"]["familyName"]),
        _flag(texts, on=active),
        _flag(texts, on=entry.invited),
        _cell(display_name(manager) if manager else "–"),
        _cell(resource.get("externalId", "–")),
        _cell(entry.id),
    )
    return f'<tr class="{"on" if active else "off"}">{"".join(cells)}</tr>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _flag(texts: Texts, *, on: bool) -> str:
    return f'<td class="{"yes" if on else "no"}">{escape(texts.yes if on else texts.no)}</td>'


def _links(texts: Texts, view: View, total: int) -> str:
    found: list[str] = []
    if view.start > 0:
        found.append(f'<a href="{view.link(start=max(view.start - PAGE_SIZE, 0))}">{escape(texts.previous)}</a>')
    if view.start + PAGE_SIZE < total:
        found.append(f'<a href="{view.link(start=view.start + PAGE_SIZE)}">{escape(texts.following)}</a>')
    return f"<nav>{''.join(found)}</nav>"
