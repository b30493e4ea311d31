"""Which host had the seat of which attempt: looked at all the time, for a seat that is given back forgets it."""

import asyncio
from collections.abc import Mapping, Sequence

import psycopg

from chaos.database import Database
from chaos.server import Server

LOOK_EVERY_S = 0.5
TAKEN = """
SELECT seats.attempt_id, workers.pid FROM seats JOIN workers ON workers.id = seats.worker_id
WHERE seats.attempt_id IS NOT NULL
"""


class Seating:
    """`run` looks; who came and went between two looks is not seen."""

    def __init__(self, database: Database, servers: Sequence[Server]) -> None:
        self._database = database
        self._servers = servers
        self._seen: dict[str, dict[str, None]] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for attempt_id, pid in await asyncio.to_thread(self._taken):
                for server in self._servers:
                    if pid in server.pids:
                        self._seen.setdefault(attempt_id, {})[server.name] = None

    @property
    def seen(self) -> Mapping[str, Sequence[str]]:
        """The names of the servers where each attempt had a seat."""
        return {attempt_id: list(names) for attempt_id, names in self._seen.items()}

    def _taken(self) -> list[tuple[str, int]]:
        try:
            with psycopg.connect(self._database.url, connect_timeout=2) as connection:
                return connection.execute(TAKEN).fetchall()
        except psycopg.Error:
            return []
