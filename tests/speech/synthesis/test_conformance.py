"""What every voice of a vendor does, whichever protocol is behind it: against its simulated vendor, in virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.cartesia import CartesiaVoice
from outdial.simulator.speech.deepgram import DeepgramVoice
from outdial.simulator.speech.elevenlabs import ElevenLabsVoice
from outdial.simulator.speech.openai import OpenAiSpeech
from outdial.speech.choice import VoiceChoice
from outdial.speech.vendor import Access
from outdial.speech.vendors import VENDORS
from outdial.speech.wire import failures
from speech.synthesis.in_memory import HttpInMemory, InMemory
from virtual_time import run

EVERYTHING = 'Über 50% of £3.20 & "quotes", <b>tags</b>, {braces}, 😀, ñandú, back\\slash,\ttab — and\nnew lines.'


async def key():
    return "k"


@dataclass(frozen=True)
class Case:
    vendor: str
    simulated: Callable
    tells_words: bool
    by_http: bool = False

    def memory(self, speak=None, faults=None):
        return (HttpInMemory if self.by_http else InMemory)(self.simulated(), speak, faults)

    def voice(self, memory):
        access = Access(url="http://vendor.example", key=key)
        choice = VoiceChoice(vendor=self.vendor, voice="anna")
        voice = VENDORS[self.vendor].synthesiser.open(choice, access, "en-US")
        if self.by_http:
            voice._transport = memory
        else:
            voice._open_wire = memory
        return voice


CASES = [
    Case("cartesia", CartesiaVoice, tells_words=True),
    Case("elevenlabs", ElevenLabsVoice, tells_words=True),
    Case("deepgram", DeepgramVoice, tells_words=False),
    Case("openai", OpenAiSpeech, tells_words=False, by_http=True),
]


@pytest.fixture(params=CASES, ids=lambda case: case.vendor)
def case(request):
    return request.param


def with_voice(case, work):
    """Run `work(voice, memory)` in virtual time; nothing may be left of it."""

    async def main():
        memory = case.memory()
        voice = case.voice(memory)
        try:
            return await work(voice, memory)
        finally:
            await voice.aclose()
            assert voice.open_sockets == memory.open_sockets == 0
            await memory.aclose()
            await asyncio.sleep(0)
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    return run(main())


async def spoken(voice, text):
    return b"".join([pcm async for pcm in voice.speak(text)])


async def all_spoken(voice, texts, on_words=lambda words: None):
    async with aclosing(voice.speak_all(texts, on_words)) as audio:
        return b"".join([pcm async for pcm in audio])


async def stream(*texts, each_s=0.0):
    for text in texts:
        await asyncio.sleep(each_s)
        yield text


@pytest.mark.parametrize(
    "text", ["Yes.", "I", "word " * 400, EVERYTHING], ids=["short", "letter", "long", "everything"]
)
def test_a_text_is_said_from_its_first_word_to_its_last(case, text):
    async def work(voice, memory):
        return memory.speak.heard(await spoken(voice, text))

    heard, words = with_voice(case, work), text.split()
    assert heard[0] == words[0]
    assert heard[-1] == words[-1]
    if len(set(words)) > 1:
        assert heard == words


@pytest.mark.parametrize("text", ["", "   ", "…", "—!"])
def test_a_text_without_a_word_is_silence_and_asks_nobody(case, text):
    async def work(voice, memory):
        return await spoken(voice, text), len(memory.sockets)

    assert with_voice(case, work) == (b"", 0)


def test_a_stream_of_texts_is_one_utterance(case):
    async def work(voice, memory):
        pcm = await all_spoken(voice, stream("Good morning. ", "This is ", "Ada's Bakery. ", each_s=0.3))
        return memory.speak.heard(pcm), len(memory.sockets)

    assert with_voice(case, work) == (
        ["Good", "morning.", "This", "is", "Ada's", "Bakery."],
        3 if case.by_http else 1,
    )


def test_a_stream_that_pauses_for_longer_than_a_vendor_waits_is_said_all_the_same(case):
    async def work(voice, memory):
        return memory.speak.heard(await all_spoken(voice, stream("One moment. ", "Here it is. ", each_s=9.0)))

    assert with_voice(case, work) == ["One", "moment.", "Here", "it", "is."]


def test_what_a_model_thinks_about_for_longer_than_it_is_heard_is_said_as_it_comes(case):
    async def thought():
        for text in ("Sure. ", "It was repaired. ", "Come and get it. "):
            yield text
            await asyncio.sleep(2.5)  # the last time before it is known that this was all

    async def work(voice, memory):
        return memory.speak.heard(await all_spoken(voice, thought())), len(memory.sockets)

    assert with_voice(case, work) == (
        ["Sure.", "It", "was", "repaired.", "Come", "and", "get", "it."],
        3 if case.by_http else 1,
    )


def test_a_stream_without_texts_is_silence(case):
    async def work(voice, memory):
        return await all_spoken(voice, stream())

    assert with_voice(case, work) == b""


def test_a_stream_that_fails_fails_with_what_it_said(case):
    async def broken():
        yield "One moment. "
        await asyncio.sleep(0.5)
        raise LookupError("model")

    async def work(voice, memory):
        with pytest.raises(LookupError):
            await all_spoken(voice, broken())

    with_voice(case, work)


def test_the_words_times_are_those_of_the_audio(case):
    async def work(voice, memory):
        told = []
        pcm = await all_spoken(voice, stream("Good morning. ", "This is Ada. "), told.extend)
        return pcm, told, memory.speak

    pcm, told, speak = with_voice(case, work)
    if not case.tells_words:
        assert told == []
        return
    assert [word.text for word in told] == ["Good", "morning.", "This", "is", "Ada."]
    for word in told:
        assert speak.heard(pcm[word.start_ms * 16 : word.end_ms * 16]) == [word.text]


def test_two_at_once_are_told_apart(case):
    async def work(voice, memory):
        one, other = await asyncio.gather(spoken(voice, "apples pears plums"), spoken(voice, "red green blue"))
        return memory.speak.heard(one), memory.speak.heard(other)

    assert with_voice(case, work) == (["apples", "pears", "plums"], ["red", "green", "blue"])


def test_what_is_cancelled_in_the_middle_is_not_in_what_follows(case):
    async def work(voice, memory):
        async with aclosing(voice.speak_all(stream("never " * 50), lambda words: None)) as audio:
            async for _ in audio:
                break
        return memory.speak.heard(await spoken(voice, "Of course.")), len(memory.sockets)

    heard, sockets = with_voice(case, work)
    assert heard == ["Of", "course."]
    assert sockets <= 2


def test_twenty_interruptions_leave_no_websocket_behind(case):
    async def work(voice, memory):
        for _ in range(20):
            async with aclosing(voice.speak_all(stream("never " * 50), lambda words: None)) as audio:
                async for _ in audio:
                    break
        await asyncio.sleep(5)
        return memory.speak.heard(await spoken(voice, "Of course.")), memory.open_sockets

    heard, sockets = with_voice(case, work)
    assert heard == ["Of", "course."]
    assert sockets <= 6


def test_a_task_that_is_cancelled_before_the_first_audio_leaves_nothing(case):
    async def work(voice, memory):
        for after_s in (0.0, 0.02, 0.06, 0.1, 0.2):
            task = asyncio.create_task(spoken(voice, "never " * 50))
            await asyncio.sleep(after_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return memory.speak.heard(await spoken(voice, "Of course."))

    assert with_voice(case, work) == ["Of", "course."]


def test_a_text_that_the_vendor_refuses_is_no_other_calls_refusal(case):
    async def work(voice, memory):
        by_request = Fault(kind=FaultKind.VOICE_ERROR, status=422, count=1)
        in_session = Fault(kind=FaultKind.VOICE_CLOSED, code=1008, after_ms=0, count=1)
        memory.faults = Faults((by_request if case.by_http else in_session,))
        with pytest.raises(failures.VendorFailed) as failed:
            await spoken(voice, "Xyz.")
        return failed.value.fault, memory.speak.heard(await spoken(voice, "Of course."))

    assert with_voice(case, work) == (failures.Fault.REFUSED, ["Of", "course."])


def test_a_key_that_the_vendor_refuses_is_so_for_all_calls_for_a_minute(case):
    async def work(voice, memory):
        memory.faults = Faults((Fault(kind=FaultKind.VOICE_UNAUTHORIZED, count=1),))
        for _ in range(2):
            with pytest.raises(failures.VendorFailed) as failed:
                await spoken(voice, "Of course.")
            assert failed.value.fault is failures.Fault.UNAUTHORIZED
        await asyncio.sleep(61)
        return memory.speak.heard(await spoken(voice, "Of course."))

    assert with_voice(case, work) == ["Of", "course."]


def test_many_calls_keep_the_websockets_they_need_now_and_then(case):
    """Opening one takes a handshake, with TLS: what some of many calls needed at once is kept for the next ones."""
    if case.by_http:
        pytest.skip("no websocket")

    async def work(voice, memory):
        kept = []
        for calls in (1, 48):
            for _ in range(calls):
                voice.enter()
            await asyncio.gather(*(spoken(voice, "Yes.") for _ in range(12)))
            await asyncio.sleep(1)  # some vendors tell a moment later that they are free
            kept.append(memory.open_sockets)
        return kept

    few, many = with_voice(case, work)
    assert few <= 9
    assert many >= 12


def test_a_websocket_waits_open_while_there_are_calls(case):
    if case.by_http:
        pytest.skip("no websocket")

    async def work(voice, memory):
        voice.enter()
        await asyncio.sleep(1)
        before = memory.open_sockets
        asked_at = asyncio.get_running_loop().time()
        async for _ in voice.speak("Good morning."):
            first_s = asyncio.get_running_loop().time() - asked_at
            break
        voice.leave()
        await asyncio.sleep(60)
        return before, first_s < 0.2, memory.open_sockets

    assert with_voice(case, work) == (1, True, 0)
