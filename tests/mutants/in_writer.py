"""Mistakes in the writer: lanes, takeover, ledger entries, circuit breaker, waiting employees."""

from tests.mutants.mutant import Mutant

BRAKE = "services/accounts/brake.py"
BREAKER = "services/writer/breaker.py"
HANDLER = "services/writer/handler.py"
LANE = "services/writer/lane.py"
LANES = "services/writer/lanes.py"
TAKEOVER = "services/writer/takeover.py"
WORKER = "services/writer/worker.py"

OF_BRAKE = "tests/unit/writer/test_brake.py"
RENEWAL = "services/provisioning/renewal.py"
OF_RENEWAL = "tests/unit/writer/test_outdated_content.py"
OF_DECISIONS = "tests/unit/writer/test_brake_decisions.py"
OF_BATCHES = "tests/unit/writer/test_batches.py"
OF_BREAKER = "tests/unit/writer/test_breaker.py"
OF_CRASHES = "tests/unit/writer/test_crashes.py"
OF_LANES = "tests/unit/writer/test_lanes.py"
OF_RACES = "tests/unit/writer/test_races.py"
OF_TAKEOVER = "tests/unit/writer/test_takeover.py"
OF_WAKEUP = "tests/unit/writer/test_wakeup.py"

WRITER = (
    Mutant(
        "a person is in two batches at the same time",
        LANE,
        "(left if record.event.person in self._people else taken).append(record)",
        "taken.append(record)",
        f"{OF_LANES}::test_person_is_in_one_batch_at_a_time",
    ),
    Mutant(
        "one batch at a time: a slow account holds its company up",
        LANE,
        "MAX_BATCHES = 3",
        "MAX_BATCHES = 1",
        f"{OF_LANES}::test_slow_batch_holds_no_other_of_its_connection",
        seconds=120.0,  # the test waits for a condition that never comes
    ),
    Mutant(
        "the surplus of a lane is not noted as waiting",
        LANES,
        "await self._let_wait(surplus, WaitingCause.BACKLOG)\n",
        "await asyncio.sleep(0)\n",
        f"{OF_LANES}::test_surplus_is_settled_when_its_waiting_is_stored",
    ),
    Mutant(
        "the surplus of a lane is settled before it is noted as waiting",
        LANES,
        "            await self._let_wait(surplus, WaitingCause.BACKLOG)\n            batch.ownership.settle(surplus)\n",
        "            batch.ownership.settle(surplus)\n            await self._let_wait(surplus, WaitingCause.BACKLOG)\n",
        f"{OF_LANES}::test_surplus_that_cannot_be_stored_is_not_settled",
    ),
    Mutant(
        "an older change of the surplus waits in place of the newest",
        LANES,
        "known.version <= record.event.version",
        "known.version >= record.event.version",
        f"{OF_LANES}::test_newest_change_of_the_surplus_waits",
    ),
    Mutant(
        "a lane has no limit",
        LANES,
        "count_fitting(records, self.find_room(connection))",
        "count_fitting(records, MAX_ARRIVED)",
        f"{OF_LANES}::test_connection_does_not_wait_for_a_hanging_one",
    ),
    Mutant(
        "waiting employees get the room of new changes",
        LANES,
        "self._find_share() // 2 - self._find_size(connection) - expected",
        "self._find_share() - self._find_size(connection) - expected",
        f"{OF_LANES}::test_room_for_waiting_employees_is_half_a_lane",
    ),
    Mutant(
        "the writer publishes outcomes without a look at the ownership",
        LANES,
        "                ownership.ensure_owned()\n",
        "",
        f"{OF_LANES}::test_outcomes_of_moved_records_are_not_published",
    ),
    Mutant(
        "people that were skipped count as settled",
        LANES,
        "ownership.settle(record for record in records if record.event.person not in results.skipped)",
        "ownership.settle(records)",
        f"{OF_LANES}::test_skipped_people_are_not_settled",
    ),
    Mutant(
        "records that have not begun are begun although the partitions are about to move",
        LANES,
        "            lane.clear()\n",
        "            lane.add(())\n",
        f"{OF_LANES}::test_finish_forgets_what_has_not_begun",
    ),
    Mutant(
        "a repeated batch is not suspect",
        LANES,
        "lane.takeover.note_repeated(records)",
        "lane.takeover.note_repeated(())",
        f"{OF_LANES}::test_failed_batch_is_repeated_as_suspect",
    ),
    Mutant(
        "what an earlier writer had in progress is ignored",
        TAKEOVER,
        "self._earlier |= {partition: work for partition, work in stored.items() if partition not in self._last}",
        "self._earlier |= {partition: work for partition, work in stored.items() if partition in self._last}",
        f"{OF_LANES}::test_records_of_an_earlier_writer_are_suspect",
    ),
    Mutant(
        "the oldest record of a range that was cut is written",
        TAKEOVER,
        "if work.last_offset > self._last.get(partition, offset):",
        "if not work.last_offset:",
        f"{OF_CRASHES}::test_older_record_of_a_cut_range_is_not_written",
    ),
    Mutant(
        "an older record is written while a newer one of a cut range waits for its turn",
        TAKEOVER,
        "return self._newest.get((partition, record.event.person), offset) > offset",
        "return False",
        f"{OF_TAKEOVER}::test_older_change_is_cut_while_the_newer_waits_for_its_turn[0]",
    ),
    Mutant(
        "only the records of a range are cut, not those before it",
        TAKEOVER,
        "not work.reaches(offset, record.timestamp_ms)",
        "not work.contains(offset, record.timestamp_ms)",
        f"{OF_TAKEOVER}::test_older_change_is_cut_until_the_range_is_read[2]",
    ),
    Mutant(
        "a request is sent without a look at the ownership",
        "services/writer/performer.py",
        "            self._ensure_owned()\n            settling.note_sent()\n",
        "            settling.note_sent()\n",
        f"{OF_RACES}::test_ownership_is_checked_before_each_request",
    ),
    Mutant(
        "the oldest change of a batch is the one that counts",
        WORKER,
        "for version in sorted(versions, reverse=True):",
        "for version in sorted(versions):",
        f"{OF_BATCHES}::test_newest_request_of_batch_supersedes_others",
    ),
    Mutant(
        "an entry that another writer has changed counts as settled",
        HANDLER,
        "        if lost:\n            raise LostRaceError(",
        "        if not lost <= settling.done:\n            raise LostRaceError(",
        f"{OF_RACES}::test_batch_with_lost_race_is_settled_again",
    ),
    Mutant(
        "reports of a new manager are not resent",
        HANDLER,
        "await self._resends.file_resends({key: person for key, person in done.items() if key not in lost})",
        "await self._resends.file_resends({key: person for key, person in done.items() if key in lost})",
        f"{OF_RACES}::test_report_of_concurrent_manager_is_resent",
    ),
    Mutant(
        "requests of an unknown connection vanish without a dead letter",
        HANDLER,
        "return Results(self._build_letters(batch.records, DeadLetterReason.UNKNOWN_CONNECTION), frozenset())",
        "return Results([], frozenset())",
        f"{OF_BATCHES}::test_unknown_connection_makes_dead_letter",
    ),
    Mutant(
        "a person with a damaged entry is written",
        "services/writer/people.py",
        "key in entries and entries[key].damage is not None",
        "key in entries and entries[key].damage == key",
        "tests/unit/writer/test_damaged_entries.py::test_employee_with_damaged_entry_stops_no_other",
    ),
    Mutant(
        "employees do not wait for their manager in the same batch",
        "services/writer/order.py",
        "            if key in predecessors:\n                await finished[predecessors[key]].wait()\n",
        "",
        "tests/unit/writer/test_order.py::test_managers_run_before_reports",
    ),
    Mutant(
        "a server that limits the rate counts as down",
        BREAKER,
        "if self.is_open or cause is not WaitingCause.RATE_LIMITED or _is_announced(cause, error.retry_after):",
        "if self.is_open or cause is not None or _is_announced(cause, error.retry_after):",
        f"{OF_BREAKER}::test_rate_limited_probe_keeps_breaker_closed",
    ),
    Mutant(
        "a server is asked in the pause that it named",
        BREAKER,
        "max(retry_after or 0.0, self._backoff.next_pause())",
        "self._backoff.next_pause()",
        f"{OF_BREAKER}::test_server_is_not_probed_in_a_pause_that_it_names",
    ),
    Mutant(
        "a server that has answered a probe gets all waiting employees",
        "services/writer/wakeup.py",
        "room = min(room, ON_TRIAL)",
        "room = max(room, ON_TRIAL)",
        f"{OF_WAKEUP}::test_server_on_trial_gets_few_employees",
    ),
    Mutant(
        "any number of accounts is disabled",
        BRAKE,
        "if is_unusual(guard, recent + 1, brake.accounts or 0):",
        "if is_unusual(guard, 1, brake.accounts or 0):",
        f"{OF_BRAKE}::test_mapping_that_disables_all_is_stopped",
    ),
    Mutant(
        "held accounts are disabled after the hour",
        BRAKE,
        "while not await self._followups.has_held_disabling(connection):",
        "while True:",
        f"{OF_BRAKE}::test_next_leaver_is_held_until_a_decision",
    ),
    Mutant(
        "a writer overwrites what another one has counted",
        BRAKE,
        "                if await self._brakes.write(counted):\n                    return False",
        "                await self._brakes.write(counted)\n                return False",
        f"{OF_DECISIONS}::test_concurrent_replica_is_counted",
    ),
    Mutant(
        "a PUT that repeats an outdated reference keeps a leaver enabled",
        RENEWAL,
        "if not _can_be_outdated(work, way, live, sent, code, names_manager=names_manager):",
        "if True:",
        f"{OF_RENEWAL}::test_outdated_reference_keeps_no_leaver_enabled",
    ),
    Mutant(
        "a paused connection is written",
        "services/writer/endpoint.py",
        "        if self.is_paused:\n",
        "        if False:\n",
        "tests/unit/writer/test_paused.py::test_change_of_paused_connection_waits",
    ),
    Mutant(
        "a pause is noted with the next batch only",
        "services/writer/wakeup.py",
        "            self._endpoints.note_states(states)\n",
        "",
        "tests/unit/writer/test_paused.py::test_batch_in_progress_sends_nothing_more",
    ),
    Mutant(
        "a report insists on the former external id of its manager",
        RENEWAL,
        "        yield from _resolve_manager(work)\n",
        "",
        f"{OF_RENEWAL}::test_outdated_reference_in_a_put_is_read_again",
    ),
    Mutant(
        "an account that is disabled already counts",
        "services/provisioning/reconcile.py",
        "if work.trail.is_disabling_allowed or not work.find_remaining(live).fields:",
        "if work.trail.is_disabling_allowed:",
        f"{OF_BRAKE}::test_disabled_or_missing_account_does_not_count",
    ),
)
"""The mistakes in ``services/writer``."""
