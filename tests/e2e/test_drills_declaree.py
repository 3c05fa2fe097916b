"""The recovery of docs/operations.md after Declaree was restored from a backup."""

from pathlib import Path

import pytest

from services.contracts.drift import DriftKind
from services.contracts.mappings import MANAGER
from tests.e2e.drills import HOUR, start_drill
from tests.e2e.troubles import open_database, restart_ended_services
from tests.support.recovery import age_ledger, change_employees, restore_snapshot, take_snapshot
from tests.support.servers import KafkaServers, MongoServers
from tests.support.world import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360), pytest.mark.long]


@pytest.mark.promise("P9")
async def test_declaree_restored(tmp_path: Path, kafka: KafkaServers, mongo: MongoServers) -> None:
    """`verify` reports exactly what the backup lacks, and repairs access. `verify --repair` makes every account exact."""
    async with start_drill(tmp_path, kafka, mongo) as drill, restart_ended_services(drill.installation):
        await take_snapshot(drill.company, "backup")
        changed = await change_employees(drill.company)
        await drill.poll()
        await drill.wait_until_exact()
        async with open_database(drill.installation) as database:
            await age_ledger(database, HOUR)

        await restore_snapshot(drill.company, "backup")
        found = await drill.verify()

        assert {person: drift.fields for person, drift in found.items() if not drift.is_repaired} == {
            (changed.renamed, DriftKind.DIFFERENT): ("name.familyName",),
            (changed.moved, DriftKind.DIFFERENT): (MANAGER,),
        }
        assert {person for person, drift in found.items() if drift.is_repaired} == {
            (changed.joined, DriftKind.MISSING),
            (changed.left, DriftKind.LEAVER_ENABLED),
        }

        async def is_access_right() -> bool:
            fields = {f"{changed.renamed}: familyName", f"{changed.moved}: manager"}
            return set(await drill.find_differences()) == fields

        await wait_until("the new employee has an account, and the leaver has no access", is_access_right)

        await drill.verify(repair=True)
        await drill.wait_until_exact()

        assert await drill.repeat() == {}
