"""The receivers that docs/webhooks.md shows, run as they stand there."""

import asyncio
import re
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from outdial.net.addresses import Allowed
from outdial.webhooks.attempt import Outgoing, WebhookClient
from outdial.webhooks.signature import new_secret

DOCS = Path(__file__).parents[2] / "docs/webhooks.md"
BODY = b'{"type":"call.ended","data":{"call":{"id":"call_1"}}}'
LANGUAGES = {"python": sys.executable, "javascript": shutil.which("node")}


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return found


@asynccontextmanager
async def running(language: str, secret: str, folder: Path):
    program = LANGUAGES[language]
    if program is None:
        pytest.skip("not installed here")
    file = folder / {"python": "receiver.py", "javascript": "receiver.cjs"}[language]
    file.write_text(code(language))
    port = await free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        str(file),
        env={"WEBHOOK_SECRET": secret, "PORT": str(port), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/", process
    finally:
        process.kill()
        await process.communicate()


async def free_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    return port


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_receiver_of_the_docs_takes_what_is_genuine_once_and_nothing_else(language, tmp_path):
    secret = new_secret()
    client = WebhookClient(Allowed.parse("127.0.0.1"))
    async with running(language, secret, tmp_path) as (url, process):

        async def sent(*keys: str, event_id: str = "evt_1") -> int | None:
            told = Outgoing(url=url, event_id=event_id, body=BODY, keys=keys, headers={})
            return (await client.attempt(told)).status

        for _ in range(200):
            if (status := await sent(secret)) is not None:
                break
            await asyncio.sleep(0.05)
        assert status == 204
        assert await sent(secret) == 204
        assert await sent(new_secret(), event_id="evt_2") == 401
        assert await sent(new_secret(), secret, event_id="evt_3") == 204
        lines = [await asyncio.wait_for(process.stdout.readline(), 60) for _ in range(2)]
        assert lines == [b"call.ended call_1\n"] * 2
    await client.aclose()
