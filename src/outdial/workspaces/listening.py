"""Whether a workspace tells callees that people may listen to their calls, when, and in which words. The only writer of
`listening_notices`."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import reading
from outdial.db.listening_tables import listening_notices
from outdial.short_memory import ShortMemory
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.store import workspace_name

MAX_CHARS = 300


class Announce(StrEnum):
    NEVER = "never"
    ON_JOIN = "on_join"    # when somebody begins to listen, at the next pause of the conversation
    AT_START = "at_start"  # before the agent's first words, on every call


DEFAULT = Announce.ON_JOIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningNotice:
    """`text` None: the sentence of the agent's language."""

    announce: Announce = DEFAULT
    text: str | None = None


NO_NOTICE = ListeningNotice(announce=Announce.NEVER)


class ListeningNoticeView(TypedDict):
    """`text` null: a sentence in the agent's language."""

    announce: Announce
    text: str | None


async def get_listening_notice(conn: AsyncConnection, workspace_id: str) -> ListeningNotice:
    of_workspace = select(listening_notices).where(listening_notices.c.workspace_id == workspace_id)
    row = (await conn.execute(of_workspace)).one_or_none()
    return ListeningNotice() if row is None else ListeningNotice(announce=Announce(row.announce), text=row.text)


async def change_listening_notice(
    engine: AsyncEngine, workspace_id: str, notice: ListeningNotice, *, by: Actor
) -> ListeningNotice:
    """It holds for calls that are answered from now on, and for whoever begins to listen from now on."""
    async with engine.begin() as conn:
        name = await workspace_name(conn, workspace_id)
        before = await get_listening_notice(conn, workspace_id)
        if before != notice:
            new = {"announce": notice.announce, "text": notice.text}
            if notice == ListeningNotice():
                of_workspace = listening_notices.c.workspace_id == workspace_id
                await conn.execute(delete(listening_notices).where(of_workspace))
            else:
                insert = upsert(listening_notices).values({"workspace_id": workspace_id} | new)
                await conn.execute(insert.on_conflict_do_update(index_elements=["workspace_id"], set_=new))
            details = new | {"before": f"{before.announce}"}
            act = "listening.notice_changed"
            await record(conn, workspace_id, by, act, subject_id=workspace_id, subject_name=name, details=details)
    return notice


def view(notice: ListeningNotice) -> ListeningNoticeView:
    return ListeningNoticeView(announce=notice.announce, text=notice.text)


class ListeningNotices:
    """Of all workspaces, each remembered for a few seconds: every call that is answered asks."""

    def __init__(self, engine: AsyncEngine, *, ttl_s: float = 3.0) -> None:
        self._engine = engine
        self._known = ShortMemory[str, ListeningNotice](ttl_s=ttl_s)

    async def of(self, workspace_id: str) -> ListeningNotice:
        """Raises what the database raises."""
        notice = await self._known.get(workspace_id, lambda: self._read(workspace_id))
        assert notice is not None
        return notice

    async def _read(self, workspace_id: str) -> ListeningNotice:
        async with reading(self._engine) as conn:
            return await get_listening_notice(conn, workspace_id)
