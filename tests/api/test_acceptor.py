import asyncio
import errno
import logging
import socket

import pytest

from outdial.api.acceptor import Acceptor


class Starved(socket.socket):
    """A listening socket of a process with no file left to open, while it is `starved`."""

    starved = False
    errno = errno.EMFILE
    refused = 0

    def accept(self):
        if self.starved:
            self.refused += 1
            raise OSError(self.errno, "Not now")
        return super().accept()


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


@pytest.fixture
def listener():
    with Starved(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener


async def greeted(listener):
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    said = await reader.read()
    writer.close()
    return said


async def test_each_connection_gets_its_protocol(listener):
    acceptor = Acceptor(listener, Greeter)
    assert await asyncio.gather(*(greeted(listener) for _ in range(50))) == [b"hello"] * 50
    acceptor.close()
    await acceptor.wait_closed()


async def test_without_a_file_left_connections_wait_and_it_is_told_once(listener, monkeypatch, caplog):
    monkeypatch.setattr("outdial.api.acceptor.PAUSE_S", 0.02)
    acceptor = Acceptor(listener, Greeter)
    listener.starved = True
    with caplog.at_level(logging.WARNING):
        waiting = [asyncio.create_task(greeted(listener)) for _ in range(20)]
        async with asyncio.timeout(30):
            while listener.refused < 5:  # noqa: ASYNC110 - a socket sets no event
                await asyncio.sleep(0.005)
    assert not any(task.done() for task in waiting)
    [told] = caplog.records
    assert (told.getMessage(), told.error) == ("Connections not accepted: no file left to open", "EMFILE")
    listener.starved = False
    async with asyncio.timeout(30):
        assert await asyncio.gather(*waiting) == [b"hello"] * 20
    acceptor.close()


async def test_while_it_has_no_file_it_does_not_spin(listener):
    acceptor = Acceptor(listener, Greeter)
    listener.starved = True
    waiting = asyncio.create_task(greeted(listener))
    await asyncio.sleep(0.2)
    assert listener.refused <= 2
    listener.starved = False
    async with asyncio.timeout(30):
        assert await waiting == b"hello"
    acceptor.close()


async def test_another_fault_of_the_system_is_no_end(listener, monkeypatch, caplog):
    monkeypatch.setattr("outdial.api.acceptor.PAUSE_S", 0.02)
    acceptor = Acceptor(listener, Greeter)
    listener.errno, listener.starved = errno.EPERM, True
    waiting = asyncio.create_task(greeted(listener))
    async with asyncio.timeout(30):
        while listener.refused < 3:  # noqa: ASYNC110 - a socket sets no event
            await asyncio.sleep(0.005)
        listener.starved = False
        assert await waiting == b"hello"
    assert [record.getMessage() for record in caplog.records] == ["Connections not accepted; trying again"]
    acceptor.close()


async def test_nothing_is_taken_once_it_is_closed(listener):
    acceptor = Acceptor(listener, Greeter)
    acceptor.close()
    acceptor.close()
    waiting = asyncio.create_task(greeted(listener))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    listener.close()
    with pytest.raises(OSError):
        await waiting
