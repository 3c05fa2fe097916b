"""Mistakes in the pinned examples, and the tests that find them."""

from tests.mutants.mutant import Mutant

OF_EXAMPLES, OF_EXPIRY = "tests/contract/store/test_examples.py", "tests/contract/store/test_expiry.py"
STORE = "services/store/examples.py"

EXAMPLES = (
    Mutant(
        "a mapping is published although a pinned example differs",
        "services/admin/mapping/versions.py",
        "    await ensure_examples_hold(store, connection, mapping)\n",
        "",
        "tests/component/admin/test_mappings.py::test_mapping_with_a_failing_example_is_not_published",
    ),
    Mutant(
        "the error of a pinned example quotes personal data",
        "services/mapping/examples.py",
        "        expected, actual = _name_kind(self.expected), _name_kind(self.actual)\n",
        "        expected, actual = str(self.expected), str(self.actual)\n",
        "tests/unit/admin/test_examples.py::test_error_names_example_and_kinds_without_values",
    ),
    Mutant(
        "a damaged example hides all others of its connection",
        STORE,
        "        except StoreFailedError:\n            unreadable",
        "        except StoreFailedError:\n            raise\n            unreadable",
        f"{OF_EXAMPLES}::test_damaged_example_is_named",
    ),
    Mutant(
        "real data of a leaver stays in a pinned example",
        "services/store/expiry.py",
        '            where = {"_id": {"$in": keys}, "is_reduced": {"$ne": True}}\n',
        '            where = {"_id": {"$in": keys}}\n',
        f"{OF_EXPIRY}::test_example_of_a_leaver_expires_with_the_snapshot",
    ),
    Mutant(
        "an example outlives the erased manager that it names",
        "services/contracts/examples.py",
        "        if not self.is_made_up:\n",
        "        if self.is_made_up:\n",
        f"{OF_EXAMPLES}::test_example_is_erased_with_its_manager",
    ),
)
"""The mistakes in the pinned examples."""
