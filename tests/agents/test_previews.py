import asyncio
import io
import wave

import pytest

from outdial.agents.previews import Previews
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.refusals import LimitReached, Unavailable
from outdial.speech.instant import InstantTextToSpeech


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


class Engine:
    """Says every text as two bytes; counts how many it is asked for at once."""

    name = "engine"
    broken = False

    def __init__(self):
        self.at_once = self.most = 0

    async def speak(self, text):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.broken:
            raise OSError("no model")
        yield b"\x00\x01"


class Slow:
    name = "slow"

    def __init__(self):
        self.spoken = []
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()

    async def speak(self, text):
        self.spoken.append(text)
        self.asked.set()
        await self.goes_on.wait()
        yield b"\x00\x01"


async def test_a_prompt_sounds_as_on_the_phone():
    wav = await Previews(InstantTextToSpeech()).wav("ws", "Hello there.")
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        heard = file.readframes(file.getnframes())
    said = b"".join([piece async for piece in InstantTextToSpeech().speak("Hello there.")])
    assert heard == ulaw_to_pcm(pcm_to_ulaw(said)) != said


async def test_a_workspace_that_wants_too_many_waits_and_others_don_t():
    clock = Clock()
    previews = Previews(Engine(), per_minute=6, clock=clock)
    for _ in range(6):
        await previews.wav("ws_a", "Hello.")
    with pytest.raises(LimitReached) as refused:
        await previews.wav("ws_a", "Hello.")
    assert refused.value.retry_after_s in (10, 11)
    await previews.wav("ws_b", "Hello.")
    clock.now_s += refused.value.retry_after_s
    await previews.wav("ws_a", "Hello.")
    with pytest.raises(LimitReached):
        await previews.wav("ws_a", "Hello.")


async def test_one_prompt_is_spoken_at_a_time():
    engine = Engine()
    previews = Previews(engine)
    await asyncio.gather(*(previews.wav("ws", f"Hello {number}.") for number in range(10)))
    assert engine.most == 1


async def test_a_vendor_that_is_slow_keeps_its_own_workspaces_previews_waiting_alone():
    slow, engine, quick = Slow(), Engine(), Engine()
    previews = Previews(engine)
    first, second = (asyncio.create_task(previews.wav("ws_a", text, by=slow)) for text in ("Yes.", "No."))
    await slow.asked.wait()
    await previews.wav("ws_b", "Hello.", by=quick)
    await previews.wav("ws_a", "Hello.")
    assert (slow.spoken, quick.most, engine.most) == (["Yes."], 1, 1)
    slow.goes_on.set()
    await asyncio.gather(first, second)
    assert slow.spoken == ["Yes.", "No."]
    assert len(previews._by_workspace) == 0


async def test_a_voice_that_fails_is_said_to_fail():
    engine = Engine()
    engine.broken = True
    with pytest.raises(Unavailable):
        await Previews(engine).wav("ws", "Hello.")
