"""All planted mistakes, and their table in CONTRIBUTING.md."""

from tests.mutants.in_examples import EXAMPLES
from tests.mutants.in_poller import POLLER
from tests.mutants.in_preview import PREVIEW
from tests.mutants.in_runtime import RUNTIME
from tests.mutants.in_store import STORE
from tests.mutants.in_writer import WRITER

MUTANTS = (*RUNTIME, *WRITER, *POLLER, *STORE, *PREVIEW, *EXAMPLES)
"""All mutants, in the order of the table."""


def build_table() -> str:
    """Returns the table of mistakes, files and tests as Markdown."""
    rows = [f"| {mutant.mistake} | `{mutant.file}` | `{mutant.test_name}` |" for mutant in MUTANTS]
    return "\n".join(["| mistake | file | test that finds it |", "|---|---|---|", *rows, ""])
