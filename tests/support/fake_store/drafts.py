"""Drafts of mappings in memory."""

from datetime import datetime

from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, MappingDraft
from services.store.errors import DraftConflictError
from tests.support.fake_store.pages import give_turn


class FakeMappingDrafts:
    """``services.store.drafts.MappingDrafts`` in memory."""

    def __init__(self) -> None:
        self.content: dict[ConnectionId, MappingDraft] = {}

    async def get(self, connection: ConnectionId) -> MappingDraft | None:
        """Returns the draft; None without one."""
        await give_turn()
        return self.content.get(connection)

    async def save(
        self,
        connection: ConnectionId,
        mapping: MappingDocument,
        *,
        based_on: int,
        expected_revision: int,
        by: str,
        now: datetime,
    ) -> MappingDraft:
        """Saves a draft under the next revision and returns it."""
        await give_turn()
        before = self.content.get(connection)
        if (before.revision if before else 0) != expected_revision:
            raise DraftConflictError(connection)
        draft = MappingDraft(
            connection_id=connection,
            revision=expected_revision + 1,
            based_on=before.based_on if before else based_on,
            mapping=mapping,
            saved_at=now,
            saved_by=by,
        )
        self.content[connection] = draft
        return draft

    async def discard(self, connection: ConnectionId, *, revision: int | None = None) -> bool:
        """Removes the draft. Returns whether there was one."""
        await give_turn()
        draft = self.content.get(connection)
        if draft is None or revision not in {None, draft.revision}:
            return False
        del self.content[connection]
        return True
