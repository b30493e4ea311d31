"""An S3 server on this machine, for tests of the store of recordings. What it holds is kept in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer

from outdial.recordings.recordings import Recordings

BUCKET = "s3://recordings/outdial"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The variables with which BUCKET is reached."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        httpx.put(f"{address}/recordings").raise_for_status()
        yield VARIABLES | {"AWS_ENDPOINT_URL": address}
    finally:
        server.stop()


async def take(recordings: Recordings, recording: str) -> None:
    """A whole one into the store and off this disk."""
    assert await recordings.put(recording)
    await recordings.let_go(recording)
