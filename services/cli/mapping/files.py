"""The commands ``mapping …`` that work on files alone: checks and schemas."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.admin.mapping import documents
from services.cli import inputs
from services.cli.context import Json
from services.cli.output import print_error, print_result
from services.contracts.mappings import MappingDocument
from services.mapping.examples import ExampleFailure, find_failures

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON or YAML document with the mapping.")]


def lint(file: File, as_json: Json = False) -> None:
    """Check a mapping in a file, without a connection and without a server."""
    mapping = inputs.read_mapping(file)
    print_result(
        f"the mapping can be used: rules {len(mapping.rules)}, withdrawn rules {len(mapping.withdrawn)}",
        {"rules": len(mapping.rules), "withdrawn": len(mapping.withdrawn)},
        as_json=as_json,
    )


def check_examples(
    file: File,
    examples: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON or YAML document with examples.")],
    as_json: Json = False,
) -> None:
    """Check pinned examples of a mapping, without a connection and without a server.

    An example has the attributes of an employee and what the mapping must give. The exit code is 1 if one does not hold.
    """
    document = inputs.read_examples(examples)
    failures = find_failures(inputs.read_mapping(file), document.examples)
    text = format_failures(failures) or f"examples that hold: {len(document.examples)}"
    print_result(text, {"examples": len(document.examples), "failures": failures}, as_json=as_json)
    if failures:
        raise typer.Exit(1)


def show_schema(
    examples: Annotated[bool, typer.Option("--examples", help="The schema of pinned examples.")] = False,
) -> None:
    """Print the JSON schema of a mapping document, or of its examples, for editors."""
    print_result(documents.format_example_schema() if examples else documents.format_schema(), None, as_json=False)


def ensure_examples(mapping: MappingDocument, examples: Path | None) -> None:
    """Ends the command if a pinned example does not hold."""
    failures = find_failures(mapping, inputs.read_examples(examples).examples) if examples else ()
    if failures:
        print_error(format_failures(failures))
        print_error("nothing was published: correct the mapping or the examples")
        raise typer.Exit(1)


def format_failures(failures: Sequence[ExampleFailure]) -> str:
    """Returns one line for each difference, with the values, which can be personal data."""
    lines = [
        f"{failure.example}: {failure.place} is {json.dumps(failure.actual, ensure_ascii=False)} instead of "
        f"{json.dumps(failure.expected, ensure_ascii=False)}{f' ({failure.reason})' if failure.reason else ''}"
        for failure in failures
    ]
    return "\n".join(lines)
