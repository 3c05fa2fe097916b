"""The command ``mapping suggest``."""

from services.admin.mapping.documents import format_document
from services.admin.mapping.suggest import SuggestedMapping, suggest_mapping
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import print_error, print_result
from services.runtime.clock import SystemClock
from services.store.database import Store


def suggest(connection: Id, as_json: Json = False) -> None:
    """Print the published mapping with rules for further fields, as a YAML document. Nothing is saved or published.

    Compares the attributes of Personio with the fields of Declaree, by names in English and German, and types. Each rule has a
    reason, which is printed beside the document. `mapping import --draft` saves the document after you have checked it.
    """
    target = find_id(connection)

    async def work(settings: CliSettings, store: Store) -> SuggestedMapping:
        return await suggest_mapping(store, SystemClock(), target, allow_private=settings.allow_private_addresses)

    suggested = run(work)
    if not as_json:
        for suggestion in suggested.suggestions:
            print_error(f"{suggestion.rule.target}: {suggestion.reason}")
        if not suggested.suggestions:
            print_error("no further rule: no attribute fits a field that the mapping does not write")
    print_result(format_document(suggested.mapping, as_yaml=True).rstrip("\n"), suggested, as_json=as_json)
