"""Mistakes in what the services keep and ask for: MongoDB, secrets, addresses, dead letters."""

from tests.mutants.mutant import Mutant

FOLLOWUPS = "services/store/followups.py"
LEDGER = "services/store/ledger.py"
LEDGER_WRITES = "services/store/ledger_writes.py"

OF_FENCES = "tests/contract/store/test_fences.py"
OF_DAMAGED = "tests/contract/store/test_damaged.py"
OF_LEDGER = "tests/contract/store/test_ledger.py"
OF_WAITING = "tests/contract/store/test_waiting.py"

STORE = (
    Mutant(
        "a waiting change replaces a newer one",
        LEDGER_WRITES,
        'is_older = {"$or": [{"$gt": ["$waiting.version", version]}, {"$gt": [decided, version]}]}',
        'is_older = {"$gt": [decided, version]}',
        f"{OF_WAITING}::test_newer_change_of_an_entry_stays[mongodb]",
    ),
    Mutant(
        "a writer does not notice that a change waits since it has read the entry",
        LEDGER_WRITES,
        '{"$add": ["$seq", 1]}, {"$ifNull"',
        '"$seq", {"$ifNull"',
        f"{OF_WAITING}::test_noted_change_makes_a_concurrent_write_lose[mongodb]",
    ),
    Mutant(
        "a ledger entry is written over that of another writer",
        LEDGER_WRITES,
        'previous = {"_id": document["_id"], "seq": entry.seq - 1}',
        'previous = {"_id": document["_id"]}',
        f"{OF_LEDGER}::test_entry_without_its_predecessor_is_not_written[mongodb]",
    ),
    Mutant(
        "a damaged entry stops the reading of all others",
        LEDGER,
        "    except ValidationError as error:\n        invalid",
        "    except ZeroDivisionError as error:\n        invalid",
        f"{OF_DAMAGED}::test_damaged_entry_hides_no_other_entry",
    ),
    Mutant(
        "waiting employees are taken without a limit",
        FOLLOWUPS,
        "            limit=most,\n",
        "",
        f"{OF_WAITING}::test_due_employees_are_taken_longest_due_first[mongodb]",
    ),
    Mutant(
        "waiting employees are taken in the order in which they were stored",
        FOLLOWUPS,
        'sort={"retry_due": 1},',
        'sort={"$natural": 1},',
        f"{OF_WAITING}::test_due_employees_are_taken_longest_due_first[mongodb]",
    ),
    Mutant(
        "employees that are resent are taken again at once",
        FOLLOWUPS,
        '{"$set": {"retry_due": now + patience}}',
        '{"$set": {"retry_due": now}}',
        f"{OF_WAITING}::test_due_employees_are_taken_longest_due_first[mongodb]",
    ),
    Mutant(
        "a damaged document stops the reading of all others",
        "services/store/damaged.py",
        "        except StoreFailedError as error:\n",
        "        except StoreFailedError as error:\n            raise\n",
        f"{OF_DAMAGED}::test_damaged_work_range_makes_its_records_suspect",
    ),
    Mutant(
        "a poller without the lease overwrites a snapshot",
        "services/store/snapshots.py",
        '{"_id": document["_id"], "revision": previous},',
        '{"_id": document["_id"]},',
        "tests/contract/store/test_snapshots.py::test_snapshot_is_stored_over_the_paired_revision_only[mongodb]",
    ),
    Mutant(
        "an employee is recognised by a content that was replaced",
        "services/store/snapshots.py",
        'return ChangeOne({"_id": key, "content_hash": note.content_hash}, change)',
        'return ChangeOne({"_id": key}, change)',
        "tests/contract/store/test_snapshots.py::test_listing_is_noted_with_the_content_it_was_compared_with[mongodb]",
    ),
    Mutant(
        "a lease is given to a second owner",
        "services/store/leases.py",
        'is_kept = {"$and": [_LASTS, ',
        'is_kept = {"$and": [{"$not": [_LASTS]}, ',
        "tests/contract/store/test_leases.py::test_lease_of_a_live_owner_is_not_given_to_another[mongodb]",
    ),
    Mutant(
        "a late write takes effect",
        "services/store/collection.py",
        'return {"$and": [where, {"$expr": {"$lt": ["$$NOW", self._fence.ends_at]}}]}',
        "return where",
        f"{OF_FENCES}::test_late_writes_change_nothing[mongodb]",
    ),
    Mutant(
        "work goes on after a write that was refused",
        "services/store/collection.py",
        "            self._fence.ensure_held()\n",
        "            pass\n",
        f"{OF_FENCES}::test_late_writes_change_nothing[mongodb]",
    ),
    Mutant(
        "a run that the next lease owner has ended is held",
        "services/store/runs.py",
        'where = {"_id": run.id, "state": RunState.RUNNING.value}',
        'where = {"_id": run.id}',
        f"{OF_FENCES}::test_run_that_has_ended_stays_as_it_is[mongodb]",
    ),
    Mutant(
        "a range in progress loses the end of the one before",
        "services/store/work_ranges.py",
        '"last_offset": {"$max": ["$last_offset", work.last_offset]}',
        '"last_offset": work.last_offset',
        "tests/contract/store/test_work_ranges.py::test_shorter_range_keeps_the_end_of_a_stored_one[mongodb]",
    ),
    Mutant(
        "the range of a suspended writer replaces that of the owner",
        "services/store/work_ranges.py",
        '"first_offset": {"$min": ["$first_offset", work.first_offset]}',
        '"first_offset": work.first_offset',
        "tests/contract/store/test_work_ranges.py::test_range_of_a_suspended_writer_hides_none_of_the_owner[mongodb-late2]",
    ),
    Mutant(
        "an account gets a second owner",
        "services/store/claims.py",
        "frozenset(claimed for key, claimed in doubtful.items() if stored.get(key) != str(owners[claimed]))",
        "frozenset(claimed for key, claimed in doubtful.items() if key not in stored)",
        "tests/contract/store/test_claims.py::test_account_belongs_to_its_first_claimant[mongodb]",
    ),
    Mutant(
        "the schedule reads all companies that are due",
        "services/store/schedule.py",
        ', "_id": 1}, limit=limit)',
        ', "_id": 1})',
        "tests/contract/store/test_schedule.py::test_bounded_number_of_due_connections_is_read[mongodb]",
    ),
    Mutant(
        "MongoDB confirms writes before a majority has them",
        "services/store/database.py",
        'write_concern=WriteConcern("majority"),\n        )',
        "write_concern=WriteConcern(1),\n        )",
        "tests/contract/store/test_errors.py::test_all_repositories_read_and_write_with_a_majority",
    ),
    Mutant(
        "a secret opens for another address",
        "services/store/encryption.py",
        "return json.dumps(location).encode()",
        "return json.dumps(location[:3]).encode()",
        "tests/unit/store/test_encryption.py::test_secret_opens_at_no_other_location",
    ),
    Mutant(
        "requests reach private networks",
        "services/clients/http/private_networks.py",
        "    ensure_public(str(address[0]))\n",
        "",
        "tests/unit/clients/test_private_networks.py::test_only_public_addresses_get_a_socket",
    ),
    Mutant(
        "the dead letter of a forgotten employee is sent again",
        "services/admin/dead_letters.py",
        "letter.letter.timestamp_ms > forgotten_at.timestamp() * 1000",
        "letter.letter.timestamp_ms > 0",
        "tests/kafka/test_recovery.py::test_letter_of_a_forgotten_person_is_not_sent",
    ),
)
"""The mistakes in ``services/store``, ``services/clients`` and ``services/admin``."""
