"""The store of recordings of a run: an S3 server in a process of its own, which keeps what it has in memory.

So it is never killed, which no store loses anything by: it is frozen, and cut off.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import obstore
from moto.server import ThreadedMotoServer

from chaos.process import Process, say
from chaos.proxy import HOST
from outdial.cli.processes import end_with_parent, stop_signals

BUCKET = "recordings"
FOLDER = "outdial"
URL = f"s3://{BUCKET}/{FOLDER}"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
HEADER_BYTES = 44  # of a WAV file as Outdial writes it: RIFF, fmt, data
AUDIO = ".wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A recording in the store. `audio_bytes`: how many its header tells of."""

    name: str
    size: int
    audio_bytes: int

    @property
    def is_whole(self) -> bool:
        return self.size == HEADER_BYTES + self.audio_bytes


class Store:
    def __init__(self, process: Process) -> None:
        self._process = process
        self.url = process.url
        self.port = process.port

    @classmethod
    @asynccontextmanager
    async def up(cls, folder: Path) -> AsyncIterator["Store"]:
        async with Process.started("chaos.store", [], folder / "store.log") as process:
            yield cls(process)

    def freeze(self) -> None:
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send(signal.SIGCONT)

    async def recordings(self) -> Sequence[Stored]:
        """All there are."""
        return await asyncio.to_thread(self._recordings)

    def _recordings(self) -> list[Stored]:
        store = obstore.store.S3Store(
            BUCKET,
            prefix=FOLDER,
            endpoint=self.url,
            client_options={"allow_http": True},
            access_key_id=VARIABLES["AWS_ACCESS_KEY_ID"],
            secret_access_key=VARIABLES["AWS_SECRET_ACCESS_KEY"],
            region=VARIABLES["AWS_REGION"],
        )
        found = [each for page in obstore.list(store) for each in page if each["path"].endswith(AUDIO)]
        return [_stored(store, each["path"], each["size"]) for each in found]


def variables(url: str) -> Mapping[str, str]:
    """With these in its environment a process reaches the store at `url`."""
    return VARIABLES | {"AWS_ENDPOINT_URL": url}


def _stored(store: obstore.store.S3Store, name: str, size: int) -> Stored:
    head = bytes(obstore.get_range(store, name, start=0, end=HEADER_BYTES))
    return Stored(name=name, size=size, audio_bytes=int.from_bytes(head[-4:], "little"))


async def main() -> None:
    watch = asyncio.create_task(end_with_parent())
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.put(f"{url}/{BUCKET}")).raise_for_status()
    with stop_signals() as stop:
        say(url)
        await stop.wait()
    watch.cancel()
    server.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
