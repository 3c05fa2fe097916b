"""The mutants fit the code: a change of the code must not leave a mistake behind that is planted nowhere."""

import ast

import pytest

from tests.mutants.catalogue import MUTANTS, build_table
from tests.mutants.mutant import ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_mutant_is_valid_code_in_one_place(mutant: Mutant) -> None:
    """Its original text occurs once, and the changed file is still Python."""
    source = (ROOT / mutant.file).read_text(encoding="utf-8")

    planted = mutant.plant(source)

    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_mutant_names_an_existing_test(mutant: Mutant) -> None:
    """A test that was renamed would no longer find it."""
    file, _, name = mutant.test_name.partition("::")

    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_mistakes_have_different_names() -> None:
    """A mistake that is listed twice would hide that one is missing."""
    assert len({mutant.mistake for mutant in MUTANTS}) == len(MUTANTS)


def test_table_of_mutants_is_current() -> None:
    """``python -m tests.mutants --table`` prints it."""
    assert build_table() in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
