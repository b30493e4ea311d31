"""A process that talks on one call while its database takes nothing more, says so when the conversation is over, and
waits to be killed: python dies.py <database URL> <data directory> <workspace id> <attempt id>"""

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from sqlalchemy import text

from fake_carrier import FakeCarrier
from live.talking import Talking
from outdial.db.engine import create_engine
from outdial.settings import Settings
from workspace import Workspace

OUT_OF_ORDER = (
    "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '57P03'; END $$"
)


async def main(database_url: str, data_dir: str, workspace_id: str, attempt_id: str) -> None:
    engine = create_engine(database_url)
    settings = Settings(data_dir=Path(data_dir), public_url="https://voice.example")
    talking = Talking(Workspace(engine, settings, FakeCarrier(), workspace_id), owner="worker_killed")
    claim = SimpleNamespace(attempt_id=attempt_id, stream_token=os.environ["STREAM_TOKEN"])
    over = asyncio.Event()

    async def agent(call: object) -> None:
        call.noted.update(mood="good", do_not_call=True)
        talking.begun.set()
        await talking.done.wait()
        await call.send_digits("123")
        over.set()

    talking.agents.conversation = agent
    await talking.answered(claim)
    async with engine.begin() as conn:
        await conn.execute(text(OUT_OF_ORDER))
        for table in ("attempts", "calls", "call_events"):
            trigger = f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"
            await conn.execute(text(trigger))
    talking.done.set()
    await over.wait()
    async with asyncio.timeout(30):
        while talking.conversations.talking or not any(talking.spool.folder.glob("*.json")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # it tries in vain
    print("over", flush=True)
    await asyncio.sleep(600)


asyncio.run(main(*sys.argv[1:]))
