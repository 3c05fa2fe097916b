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
        "services/admin/preview/source.py",
        "snapshot = changed or previous",
        "snapshot = previous or changed",
        f"{OF_PREVIEW}::test_preview_equals_what_the_writer_does[0-rfc]",
    ),
    Mutant(
        "a preview settles each employee once, although addresses and managers become available later",
        "services/admin/preview/live.py",
        "for _ in range(MAX_ROUNDS):",
        "for _ in range(0):",
        f"{OF_PREVIEW}::test_exchanged_addresses_are_shown_as_updates",
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
