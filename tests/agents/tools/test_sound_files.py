"""Sound files of users: fetched once, within limits, and kept for a while."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from outdial.agents.tools import sound_files
from outdial.agents.tools.sound_files import SoundFiles
from outdial.media.g711 import pcm_to_ulaw
from outdial.media.sounds import SoundFailed
from outdial.media.tones import tone
from outdial.net.addresses import Allowed
from outdial.net.guarded import GuardedTransport

URL = "https://files.example/hold.ulaw?key=1"
ULAW = pcm_to_ulaw(tone((440.0,), 500))
TYPE = {"content-type": "audio/basic"}


class Site:
    """`answer` gives what is at a request's URL, after `late_s`."""

    def __init__(self, answer=lambda request: httpx.Response(200, headers=TYPE, content=ULAW), *, late_s=0.0):
        self.answer = answer
        self.late_s = late_s
        self.asked = []
        self.now = 0.0

    def files(self, **settings):
        return SoundFiles(lambda: httpx.MockTransport(self._handle), now=lambda: self.now, **settings)

    async def _handle(self, request):
        self.asked.append(request)
        await asyncio.sleep(self.late_s)
        answer = self.answer(request)
        if answer.is_stream_consumed:  # as a network gives it: nothing was read yet
            answer = httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))
        return answer


class Stream(httpx.AsyncByteStream):
    def __init__(self, pieces, size):
        self.left, self.size = pieces, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left > 0:
            self.left -= 1
            yield bytes(self.size)


async def word_of(files, url=URL):
    with pytest.raises(SoundFailed) as failed:
        await files.fetch(url)
    return failed.value.word


async def test_a_file_is_asked_for_once_while_many_calls_want_it_and_then_kept():
    site = Site(late_s=0.01)
    files = site.files()
    first, *others = await asyncio.gather(*(files.fetch(URL) for _ in range(20)))
    assert (first.name, first.ms) == ("hold.ulaw", 500)
    assert all(one is first for one in others)
    assert await files.fetch(URL) is first
    assert len(site.asked) == 1
    site.now = sound_files.KEPT_S + 1
    await files.fetch(URL)
    assert len(site.asked) == 2  # it may have changed
    await files.aclose()


async def test_who_no_longer_waits_keeps_nobody_else_from_the_file():
    site = Site(late_s=0.02)
    files = site.files()
    left, stays = asyncio.create_task(files.fetch(URL)), asyncio.create_task(files.fetch(URL))
    await asyncio.sleep(0.005)
    left.cancel()
    assert (await stays).ms == 500
    await files.aclose()


async def test_what_is_kept_has_a_bound():
    site = Site()
    files = site.files(kept_bytes=20_000)  # two of 8000 bytes
    for name in ("a", "b", "c", "a"):
        await files.fetch(f"https://files.example/{name}")
    assert len(site.asked) == 4
    small = site.files(kept_bytes=100)
    assert (await small.fetch(URL)).ms == 500


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (httpx.Response(404), "http_404"),
        (httpx.Response(200, headers={"content-type": "text/html"}, content=ULAW), "no_sound"),
        (httpx.Response(200, headers={"content-type": "audio/wav"}, content=ULAW), "no_sound"),
        (httpx.Response(200, headers={**TYPE, "content-encoding": "gzip"}, content=gzip.compress(b"x")), None),
        (httpx.Response(302, headers={"location": URL}), "connection"),
    ],
)
async def test_what_can_t_be_played_has_a_word(answer, word):
    files = Site(lambda request: answer).files()
    if word is None:
        with pytest.raises(SoundFailed):
            await files.fetch(URL)
    else:
        assert await word_of(files) == word


async def test_a_failure_is_not_kept():
    site = Site(lambda request: httpx.Response(503))
    files = site.files()
    assert await word_of(files) == "http_503"
    site.answer = Site().answer
    assert (await files.fetch(URL)).ms == 500


async def test_no_more_is_read_than_may_be():
    stream = Stream(10_000, 100_000)
    files = Site(lambda request: httpx.Response(200, headers=TYPE, stream=stream)).files()
    assert await word_of(files) == "too_large"
    assert stream.left > 9_800


async def test_a_file_that_takes_long_is_given_up(monkeypatch):
    monkeypatch.setattr(sound_files, "FETCH_S", 0.02)
    files = Site(late_s=5.0).files()
    assert await word_of(files) == "timeout"
    assert len(files._background) == 0


async def test_no_cookie_goes_from_one_call_to_another():
    site = Site(lambda request: httpx.Response(200, headers={**TYPE, "set-cookie": "who=ada"}, content=ULAW))
    files = site.files()
    await files.fetch("https://files.example/a")
    await files.fetch("https://files.example/b")
    assert "cookie" not in site.asked[1].headers


@pytest.mark.parametrize("url", ["https://files.example/a", "http://files.example/a", "file:///etc/passwd", "nonsense"])
async def test_private_addresses_and_other_schemes_are_refused(url):
    async def resolve(host, port):
        from ipaddress import ip_address

        return [ip_address("10.0.0.7")]

    transport = GuardedTransport(Allowed(), resolve=resolve)
    files = SoundFiles(lambda: transport)
    assert await word_of(files, url) == "refused_address"
    await files.aclose()
    await transport.aclose()


async def test_an_end_leaves_nothing_under_way():
    site = Site(late_s=60.0)
    files = site.files()
    waiting = asyncio.create_task(files.fetch(URL))
    await asyncio.sleep(0.01)
    await files.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
