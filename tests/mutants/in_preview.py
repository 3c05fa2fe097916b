"""Mistakes in the preview of a mapping: it says something else than the writer does, or writes."""

from tests.mutants.mutant import Mutant

DRY_WRITER = "services/accounts/dry_writer.py"
OF_PREVIEW = "tests/system/test_preview.py"

PREVIEW = (
    Mutant(
        "a preview knows no conflict with the address of another account",
        DRY_WRITER,
        "has_conflict = await self._has_conflict(call, account, live.body)",
        "has_conflict = False",
        f"{OF_PREVIEW}::test_address_of_another_account_is_a_conflict",
    ),
    Mutant(
        "a preview forgets what Declaree has refused before",
        DRY_WRITER,
        "{refused.path: refused for refused in stored.refused}",
        "{}",
        f"{OF_PREVIEW}::test_value_that_was_refused_before_is_refused",
    ),
    Mutant(
        "a preview takes the stored data in place of that of Personio",
        "services/admin/preview/draft.py",
        "snapshot = changed or previous",
        "snapshot = previous or changed",
        f"{OF_PREVIEW}::test_preview_equals_what_the_writer_does[0-rfc]",
    ),
    Mutant(
        "a preview settles each employee once, although addresses and managers become available later",
        "services/admin/preview/settling.py",
        "for _ in range(MAX_ROUNDS):",
        "for _ in range(0):",
        f"{OF_PREVIEW}::test_exchanged_addresses_are_shown_as_updates",
    ),
    Mutant(
        "employees that share an account are settled apart from each other",
        "services/admin/preview/independent.py",
        "shared |= {holder, employee}",
        "shared |= {employee}",
        "tests/unit/admin/test_preview_independent.py::test_employees_with_one_account_are_not",
    ),
    Mutant(
        "a settlement apart from others takes an account of which it was not told for free",
        "services/accounts/confined.py",
        'if (kind, claimed) not in self._owners:\n            _refuse("the owner of an account or external id")',
        "if (kind, claimed) not in self._owners:\n            return None",
        "tests/unit/accounts/test_confined.py::test_anything_else_ends_the_settlement",
    ),
    Mutant(
        "a preview sends its writes",
        DRY_WRITER,
        "        answer = self.accounts.write(call, account, live.body, visit.refused, has_conflict=has_conflict)\n",
        "        answer = await self._server.perform(call)\n",
        f"{OF_PREVIEW}::test_preview_writes_nothing",
    ),
)
"""The mistakes in the preview."""
