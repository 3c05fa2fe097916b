"""Accounts with senseless content: the writer stores little of it, and other employees are settled."""

from typing import Any

import pytest

from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE
from services.contracts.outcomes import Outcome
from services.provisioning import paths
from services.provisioning.calls import Answer, Call, Found, PatchAccount, Resource, Written
from services.provisioning.states import MAX_EXTERNAL_ID, get_external_id
from tests.support.builders import make_request
from tests.support.writer_stage import EVA, WriterStage, summarize


@pytest.mark.parametrize("external_id", ["x" * 9_000_000, "\ud800", [["x" * 9_000_000]], {"a": None}], ids=type)
async def test_external_id_of_any_size_and_form_can_be_stored(stage: WriterStage, external_id: Any) -> None:
    """MongoDB takes no document of more than 16 MB and no unpaired surrogate, and fails the whole bulk for it."""
    await stage.handle(make_request("7"), make_request("8"))
    server, patched = await stage.get_server(), set[AccountId]()

    async def replace_external_id(call: Call, answer: Answer) -> Answer:
        if isinstance(call, PatchAccount):
            patched.add(call.id)
        if isinstance(answer, Written) and answer.resource is not None and answer.resource.id in patched:
            return Written(Resource(answer.resource.id, answer.resource.body | {"externalId": external_id}))
        if isinstance(answer, Found) and {live.id for live in answer.resources} <= patched:
            return Found(tuple(Resource(live.id, live.body | {"externalId": external_id}) for live in answer.resources))
        return answer

    server.after = replace_external_id

    outcomes = await stage.handle(make_request("7", 2_000, **EVA), make_request("8", 2_000, **EVA))

    stored = (await stage.get_entry("7")).external_id
    assert summarize(outcomes) == [("7", Outcome.UPDATED), ("8", Outcome.UPDATED)]
    assert stored
    assert len(stored.encode()) <= MAX_EXTERNAL_ID


@pytest.mark.parametrize("schemas", ["text", 7, [7, None, "urn:x"], {"a": 1}, None], ids=str)
def test_body_with_senseless_schemas_can_be_written(schemas: Any) -> None:
    """A PUT names the schemas that are texts, and the extension."""
    body = paths.write({"id": "7", "schemas": schemas}, f"{ENTERPRISE}:department", "IT")

    assert body[ENTERPRISE] == {"department": "IT"}
    assert body["schemas"] == [*(["urn:x"] if isinstance(schemas, list) else []), ENTERPRISE]


def test_missing_external_id_is_empty() -> None:
    """And a number is a text, as some servers return it."""
    assert get_external_id(Resource(AccountId("7"), {"externalId": None})) == ""
    assert get_external_id(Resource(AccountId("7"), {"externalId": 1029})) == "1029"
