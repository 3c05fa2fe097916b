"""Mistakes in the code that all services share: Kafka, commits, ownership, the life of a process."""

from tests.mutants.mutant import Mutant

BATCHES = "services/runtime/kafka/batches.py"
CLIENT = "services/runtime/kafka/client.py"
COMMITS = "services/runtime/kafka/commits.py"
INTAKE = "services/runtime/kafka/intake.py"
MEMBERSHIP = "services/runtime/kafka/membership.py"
OFFSETS = "services/runtime/kafka/offsets.py"
OWNERSHIP = "services/runtime/kafka/ownership.py"
RESULTS = "services/runtime/kafka/results.py"
TOPICS = "services/contracts/topics.py"

OF_BATCHES = "tests/unit/runtime/kafka/test_batches.py"
OF_CONSUMER = "tests/unit/runtime/kafka/test_consumer.py"
OF_DURABILITY = "tests/kafka/test_durability.py"
OF_OWNERSHIP = "tests/unit/runtime/kafka/test_ownership.py"

RUNTIME = (
    Mutant(
        "the producer waits for one replica only",
        CLIENT,
        'acks="all",\n        enable_idempotence=True,',
        "acks=1,\n        enable_idempotence=False,",
        f"{OF_DURABILITY}::test_acknowledgement_of_all_replicas_is_asked_for",
    ),
    Mutant(
        "the producer is not idempotent",
        CLIENT,
        "enable_idempotence=True,",
        "enable_idempotence=False,",
        f"{OF_DURABILITY}::test_record_with_a_lost_answer_is_stored_once",
    ),
    Mutant(
        "the consumer commits on its own",
        CLIENT,
        "enable_auto_commit=False,",
        "enable_auto_commit=True,",
        "tests/kafka/test_consumer.py::test_dead_producer_ends_the_process",
    ),
    Mutant(
        "a batch is settled before its work",
        BATCHES,
        "await self._handle_and_publish(batch)",
        "batch.ownership.settle(batch.records)\n                await self._handle_and_publish(batch)",
        f"{OF_BATCHES}::test_batch_is_handled_published_and_settled_in_order",
    ),
    Mutant(
        "the mapper publishes results without a look at the ownership",
        BATCHES,
        "        batch.ownership.ensure_owned()\n",
        "",
        f"{OF_BATCHES}::test_results_of_moved_records_are_not_published",
    ),
    Mutant(
        "a commit passes over a record that is not settled",
        OFFSETS,
        "return self._handed_out[0] if self._handed_out else self._end",
        "return self._end",
        f"{OF_OWNERSHIP}::test_commit_ends_at_the_first_unsettled_record",
    ),
    Mutant(
        "the last record of a partition is committed with its own offset",
        OFFSETS,
        "self._end = offset + 1",
        "self._end = offset",
        f"{OF_OWNERSHIP}::test_commit_ends_at_the_first_unsettled_record",
    ),
    Mutant(
        "the ownership outlives a gap between two confirmations",
        MEMBERSHIP,
        "sent_at - self.confirmed_at > self._session_timeout",
        "sent_at < self.confirmed_at",
        f"{OF_OWNERSHIP}::test_gap_between_confirmations_ends_the_ownership",
    ),
    Mutant(
        "a late confirmation brings an ownership back",
        OWNERSHIP,
        "        if not self._is_confirmed():\n            self.end()\n",
        "        if not self._is_confirmed():\n",
        f"{OF_OWNERSHIP}::test_late_answer_to_a_commit_restores_no_ownership",
    ),
    Mutant(
        "records of an ended ownership are settled",
        OWNERSHIP,
        "        if self._is_over:\n            return\n",
        "",
        f"{OF_OWNERSHIP}::test_records_of_an_ended_ownership_are_not_settled",
    ),
    Mutant(
        "revoked partitions keep their ownership",
        MEMBERSHIP,
        "            self.begin_ownership()\n            self.confirmed_at = None",
        "            self.confirmed_at = None",
        f"{OF_OWNERSHIP}::test_records_of_revoked_partitions_have_moved",
    ),
    Mutant(
        "a member that was overtaken brings the offsets back",
        COMMITS,
        "if not membership.is_confirmed and await self._is_overtaken(consumer, ownership):",
        "if membership.is_joining:",
        f"{OF_CONSUMER}::test_member_that_was_overtaken_commits_nothing",
    ),
    Mutant(
        "records that were handed over count as settled",
        INTAKE,
        "ownership.settle(record for record in records if (record.partition, record.offset) not in handed_over)",
        "ownership.settle(records if handed_over else records)",
        f"{OF_CONSUMER}::test_records_that_were_handed_over_are_not_settled",
    ),
    Mutant(
        "records that cannot be read are settled before their dead letters are published",
        INTAKE,
        "        events, letters = self._decoder.decode(records)\n",
        "        events, letters = self._decoder.decode(records)\n        ownership.settle(() if events else records)\n",
        f"{OF_CONSUMER}::test_letter_is_published_before_its_record_is_settled",
    ),
    Mutant(
        "a tombstone becomes a dead letter",
        "services/runtime/kafka/decoding.py",
        "if is_tombstone(record.key, record.value):",
        "if is_tombstone(record.value, record.key):",
        "tests/unit/runtime/kafka/test_decoding.py::test_tombstone_is_passed_over",
    ),
    Mutant(
        "dead letters of the handler are not counted",
        RESULTS,
        "dead = len(letters) + count_letters(results)",
        "dead = len(letters)",
        "tests/unit/runtime/kafka/test_results.py::test_every_dead_letter_is_counted",
    ),
    Mutant(
        "the pauses between two attempts do not grow",
        "services/runtime/backoff.py",
        "min(self._pause * 2, self._longest)",
        "self._first",
        "tests/unit/runtime/test_backoff.py::test_pauses_double_up_to_the_limit",
    ),
    Mutant(
        "a dead producer does not end the process",
        "services/runtime/kafka/failures.py",
        "self._fatal(describe(error))",
        "logger.error(describe(error))",
        f"{OF_BATCHES}::test_dead_producer_asks_for_the_end_at_once",
    ),
    Mutant(
        "the parts of a process stop in the order in which they started",
        "services/runtime/process.py",
        "in reversed(started):",
        "in started:",
        "tests/unit/runtime/test_process.py::test_parts_stop_in_reverse_order_of_starting",
    ),
    Mutant(
        "the mapper may write outcomes",
        TOPICS,
        '"AccountSynced", ("writer", "people forget"',
        '"AccountSynced", ("writer", "mapper", "people forget"',
        "tests/kafka/test_users.py::test_rights_follow_from_the_roles_of_the_topics",
    ),
    Mutant(
        "rights that a user must not have stay",
        "services/runtime/kafka/users.py",
        "for entry in present - wanted:",
        "for entry in present - wanted - present:",
        "tests/kafka/test_users.py::test_repetition_corrects_the_rights",
    ),
)
"""The mistakes in ``services/runtime``, and in the roles of the topics."""
