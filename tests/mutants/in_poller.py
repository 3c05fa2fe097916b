"""Mistakes in the poller: scans, their limits, snapshots as the outbox, leases."""

from tests.mutants.mutant import Mutant

LEASE = "services/poller/lease.py"
LISTINGS = "services/poller/listings.py"
OBSERVE = "services/mapping/observe.py"
SCAN = "services/poller/scan.py"
SCHEDULE = "services/poller/schedule.py"
TALLY = "services/poller/tally.py"

OF_ABSENCES = "tests/unit/poller/test_absences.py"
OF_FAIRNESS = "tests/unit/poller/test_fairness.py"
OF_HELD = "tests/unit/poller/test_held_runs.py"
OF_LEASE = "tests/unit/poller/test_lease.py"
OF_LIMITS = "tests/unit/poller/test_scan_limits.py"
OF_LISTINGS = "tests/unit/poller/test_listings.py"
OF_OBSERVE = "tests/unit/mapping/test_observe.py"
OF_SCHEDULE = "tests/unit/poller/test_schedule.py"
OF_STALE = "tests/unit/poller/test_stale_writes.py"
OF_SCAN = "tests/unit/poller/test_scan.py"

POLLER = (
    Mutant(
        "a deleted employee that returns unchanged is passed over",
        LISTINGS,
        'content = f"{state.content_hash} {state.phase}',
        'content = f"{state.phase}',
        f"{OF_SCAN}::test_deleted_employee_that_returns_unchanged_is_read",
    ),
    Mutant(
        "an employee that is listed as before is passed over on the day on which the employment begins or ends",
        LISTINGS,
        "and state.next_day <= self._today)",
        "and False)",
        f"{OF_LISTINGS}::test_employee_is_read_from_the_next_day_on",
    ),
    Mutant(
        "what a clock that was ahead has compared stays so",
        LISTINGS,
        "if day > self._day or",
        "if",
        f"{OF_LISTINGS}::test_employee_that_was_compared_tomorrow_is_read",
    ),
    Mutant(
        "another way of reading does not read employees again",
        LISTINGS,
        "json.dumps([reading, str(zone)",
        "json.dumps([str(zone)",
        f"{OF_LISTINGS}::test_other_conditions_recognise_no_employee",
    ),
    Mutant(
        "the pages before the end of a stopped scan are lost",
        SCAN,
        "            await self._compare(batch, comparison, tally)\n            raise\n",
        "            raise\n",
        f"{OF_LIMITS}::test_pages_before_a_stop_are_compared",
    ),
    Mutant(
        "an element of a list passes for another employee",
        "services/clients/personio/v1_lists.py",
        "and employee.id == self.id else",
        "else",
        "tests/unit/clients/test_personio_lists.py::test_element_that_names_another_employee_is_not_read",
    ),
    Mutant(
        "the time from which changes are asked for moves with a run that released nothing",
        "services/poller/run_recorder.py",
        "if run.state is RunState.SUCCEEDED and basis",
        "if run.state is not RunState.FAILED and basis",
        "tests/unit/poller/test_incremental.py::test_list_with_a_gap_is_asked_for_again",
    ),
    Mutant(
        "the time from which changes are asked for is the end of the last run",
        "services/poller/cursor.py",
        "        return progress.released_until - self.overlap\n\n",
        "        return now - self.overlap\n\n",
        "tests/unit/poller/test_incremental.py::test_time_moves_with_each_released_run",
    ),
    Mutant(
        "an incremental poll trusts a list that lacks employees",
        TALLY,
        "len(self.ids) >= self.total\n",
        "len(self.ids) >= 0\n",
        "tests/unit/poller/test_incremental.py::test_list_with_a_gap_is_asked_for_again",
    ),
    Mutant(
        "the first day of an employment is noticed with the next change alone",
        SCAN,
        'if self._plan.needs_any("next_day"):',
        'if self._plan.needs_any("nothing"):',
        "tests/unit/poller/test_dates.py::test_first_day_is_noticed_without_a_change_in_personio",
    ),
    Mutant(
        "an active employee has an account before the first day",
        "services/mapping/scope.py",
        "if status == ACTIVE and event.phase is EmploymentPhase.UPCOMING:",
        "if status == ONBOARDING and event.phase is EmploymentPhase.UPCOMING:",
        "tests/unit/mapping/test_employment.py::test_status_and_phase_decide_the_intent",
    ),
    Mutant(
        "a published transform that cannot be used stops the mapper",
        "services/mapping/transforms.py",
        "return map_entries(_build_rejection(transform.kind))",
        "raise",
        "tests/unit/mapping/test_transforms.py::test_stored_transform_with_a_problem_rejects_values",
    ),
    Mutant(
        "a pattern of a mapping takes the time of the mapper without a limit",
        "services/mapping/functions/patterns.py",
        "if len(encoded) > self._max_bytes:",
        "if len(encoded) < 0:",
        "tests/unit/mapping/test_pattern_transforms.py::test_value_that_does_not_match_is_not_quoted",
    ),
    Mutant(
        "a scan that was stopped counts as complete",
        TALLY,
        "if self.stopped is not None or self.skipped",
        "if self.skipped",
        f"{OF_LIMITS}::test_stopped_scan_is_not_complete_even_if_the_total_agrees",
    ),
    Mutant(
        "a scan with fewer employees than Personio announced counts as complete",
        TALLY,
        "return not self.repeated and self.is_steady and self.total == len(self.ids)",
        "return not self.repeated and self.is_steady",
        f"{OF_SCAN}::test_only_a_complete_scan_reports_absent_employees",
    ),
    Mutant(
        "a scan holds its place while it waits for Personio",
        SCAN,
        "                reader.prefetch()\n",
        "                await reader.prefetch()\n",
        f"{OF_LIMITS}::test_waiting_for_personio_takes_no_place",
        seconds=120.0,  # the test waits for a condition that never comes
    ),
    Mutant(
        "a change that another poller has stored is sent with the wrong content",
        "services/poller/staging.py",
        "saved = [snapshot for snapshot, _ in changes if snapshot.employee_id not in lost]",
        "saved = [snapshot for snapshot, _ in changes]",
        f"{OF_SCAN}::test_change_stored_by_another_replica_is_not_sent",
    ),
    Mutant(
        "a dry run stores what it finds",
        "services/poller/run.py",
        "        if dry_run:\n            return DryRun(is_imported=plan.is_imported)\n",
        "",
        f"{OF_HELD}::test_dry_run_tells_what_would_be_held",
    ),
    Mutant(
        "an employee with the same attributes is passed over on the day on which the phase changes",
        OBSERVE,
        "return calendar.find_phase(attributes, before) == before",
        "return True",
        f"{OF_OBSERVE}::test_employee_on_the_next_day_is_not_passed_over",
    ),
    Mutant(
        "an absent employee that is listed again without a change is passed over",
        "services/store/snapshots.py",
        'if "absent_since" in document or "oversized" in document:',
        'if "oversized" in document:',
        "tests/contract/store/test_snapshots.py::test_absent_or_oversized_employee_is_needed_whole[mongodb]",
    ),
    Mutant(
        "an attribute that is no longer wanted stays in the snapshot",
        OBSERVE,
        "before = {key: value for key, value in stored.items() if key in wanted}",
        "before = dict(stored)",
        f"{OF_OBSERVE}::test_attribute_no_longer_wanted_is_not_a_change",
    ),
    Mutant(
        "an attribute that Personio sends unasked is stored",
        OBSERVE,
        "**select_wanted(wanted, employee.attributes)",
        "**employee.attributes",
        f"{OF_OBSERVE}::test_unwanted_attribute_is_neither_content_nor_stored",
    ),
    Mutant(
        "a revision follows a clock that goes back",
        OBSERVE,
        "revision=max((previous.revision if previous else 0) + 1, int(now.timestamp() * 1000)),",
        "revision=int(now.timestamp() * 1000),",
        f"{OF_OBSERVE}::test_revision_is_the_time_and_grows_with_any_clock",
    ),
    Mutant(
        "changes that an earlier run did not send stay in the outbox",
        "services/poller/run.py",
        "await self._outbox.emit_pending(plan.connection_id, self._limits.places)",
        "await asyncio.sleep(0)",
        "tests/unit/poller/test_run.py::test_crash_before_any_effect_loses_no_change",
    ),
    Mutant(
        "a poller without the lease sends changes",
        "services/poller/outbox.py",
        "        self.ensure_lease()\n",
        "",
        "tests/unit/poller/test_outbox.py::test_lost_lease_sends_nothing",
    ),
    Mutant(
        "a lease counts from the answer of MongoDB",
        LEASE,
        "guard.deadline, guard.ends_at = requested_at + self._seconds, renewed",
        "guard.deadline, guard.ends_at = self._clock.monotonic() + self._seconds, renewed",
        f"{OF_LEASE}::test_slow_renewal_counts_from_its_request",
    ),
    Mutant(
        "a refused renewal goes unnoticed",
        LEASE,
        "guard.deadline = -math.inf",
        "guard.deadline = math.inf",
        f"{OF_LEASE}::test_refused_renewal_ends_the_work_at_once",
    ),
    Mutant(
        "a silent Personio is waited for without end",
        SCHEDULE,
        "            self._limits.stop_overdue()\n",
        "",
        f"{OF_FAIRNESS}::test_stopped_scan_is_repeated_after_the_interval",
    ),
    Mutant(
        "tasks wait for the places of slow polls",
        SCHEDULE,
        "self._settings.poll_open_connections - (len(self._running) - polls)",
        "self._settings.poll_open_connections - len(self._running)",
        f"{OF_FAIRNESS}::test_tasks_do_not_wait_for_slow_scans",
    ),
    Mutant(
        "the interval of polls begins at the end of a poll",
        "services/poller/work.py",
        "await self._set_next_poll(connection, started_at)",
        "await self._set_next_poll(connection, self._clock.now())",
        f"{OF_FAIRNESS}::test_polls_of_a_large_company_keep_their_interval",
    ),
    Mutant(
        "unusual changes are published",
        "services/poller/run.py",
        "            if unusual:\n                # as a run in progress",
        "            if False:\n                # as a run in progress",
        f"{OF_HELD}::test_unusual_changes_of_each_kind_are_held[left]",
    ),
    Mutant(
        "a replaced run is released",
        "services/poller/decisions.py",
        "if run.state not in begun and not await",
        "if run.state not in begun and await",
        f"{OF_HELD}::test_replaced_run_with_other_changes_is_not_decided[True]",
    ),
    Mutant(
        "a hold of a former lease owner counts",
        "services/poller/run.py",
        "                await self._repositories.runs.save(run)\n                self._outbox.ensure_lease()\n",
        "",
        f"{OF_STALE}::test_late_hold_is_refused",
    ),
    Mutant(
        "a task replaces a change that is not published",
        "services/poller/departures.py",
        "[s for s in stored.values() if s.is_pending]",
        "[]",
        f"{OF_STALE}::test_late_write_of_any_kind_harms_nothing",
    ),
    Mutant(
        "work writes without a fence",
        "services/poller/schedule.py",
        "self._repositories.fence(guard)",
        "self._repositories",
        f"{OF_SCHEDULE}::test_work_on_a_connection_has_a_fence",
    ),
    Mutant(
        "observations of a crashed run stay",
        "services/poller/run_recorder.py",
        'if plan.needs_any("observation"):',
        'if plan.needs_any("held_run"):',
        f"{OF_HELD}::test_crash_in_a_large_run_loses_no_change",
    ),
    Mutant(
        "an employee is removed without a pause",
        "services/poller/absences.py",
        "self._clock.now() - self._pause",
        "self._clock.now()",
        f"{OF_ABSENCES}::test_deleted_employee_is_removed_after_two_lookups",
    ),
    Mutant(
        "a list that lacks an employee proves departures",
        "services/poller/scan.py",
        "        else:\n            await self._take_absences(found, tally)\n",
        "        await self._take_absences(found, tally)\n",
        f"{OF_ABSENCES}::test_employee_that_exists_makes_the_list_incomplete",
    ),
    Mutant(
        "the leavers of a released run are held a second time",
        "services/poller/decisions.py",
        "        await self._allow_departures(run)\n",
        "",
        f"{OF_HELD}::test_released_leavers_are_not_held_again",
    ),
)
"""The mistakes in ``services/poller``."""
