"""A vendor's voice that fails at any moment of a turn: what the callee hears of it, in virtual time."""

import asyncio
from contextlib import aclosing

import pytest

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.speech.base import SpeechUnavailable
from outdial.speech.fallback import CallVoice
from outdial.speech.prompts import PromptCache
from outdial.speech.wire import failures
from speech.synthesis.in_memory import WordVoice
from speech.synthesis.test_conformance import CASES, stream
from virtual_time import run

TEXTS = (
    "Good morning, this is Ada. ",
    "Your bicycle was repaired yesterday evening. ",
    "Someone rode around the whole block with it. ",
    "When would Tuesday suit them?",
)
WORDS = " ".join(TEXTS).split()
MOST_SILENCE_S = 4.0
MOMENTS = {"before": 0, "in_the_middle": 1500, "later": 4000}
PASSING = ("stalled", "cut", "closed", "garbled", "busy")


class Own:
    """The process's engine, in the same words; its first audio takes a while."""

    name = "own"

    def __init__(self, words):
        self._words = words
        self.spoken = []

    async def speak(self, text):
        self.spoken.append(text)
        await asyncio.sleep(0.4)
        yield await self._words(text)


class Callee:
    """Hears audio at the pace of a call, from the moment it comes."""

    def __init__(self):
        self.pcm = b""
        self.silence_s = 0.0  # the longest
        self._until = asyncio.get_running_loop().time()  # when what is there will have been heard

    def hear(self, pcm):
        now = asyncio.get_running_loop().time()
        self.silence_s = max(self.silence_s, now - self._until)
        self._until = max(self._until, now) + len(pcm) / 16_000
        self.pcm += pcm


@pytest.fixture(params=CASES, ids=lambda case: case.vendor)
def case(request):
    return request.param


def fault(kind, **fields):
    return Fault(kind=FaultKind(f"voice_{kind}"), **fields)


def with_call(case, faults, work, *, own=True, prompts=None, count=lambda text: None):
    """`work(call_voice, memory, told, own)` in virtual time; nothing may be left of it."""

    async def main():
        memory = case.memory(WordVoice(), Faults(faults))
        voice = case.voice(memory)
        told = []
        engine = Own(memory.speak) if own else None
        call = CallVoice(voice, engine, told.append, prompts, count)
        try:
            return await work(call, memory, told, engine)
        finally:
            call.leave()
            await voice.aclose()
            assert memory.open_sockets == 0
            await memory.aclose()
            await asyncio.sleep(0)
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    return run(main())


async def heard(call, texts):
    callee = Callee()
    async with aclosing(call.speak_all(texts, lambda words: None)) as audio:
        async for pcm in audio:
            callee.hear(pcm)
    return callee


def assert_said_once(case, said, words):
    """Every word, none twice; where a voice tells no times, one word may be lost or repeated where it broke off."""
    if case.tells_words:
        assert said == words
        return
    missing = [word for word in words if word not in said]
    assert len(missing) <= 1, missing
    assert len(said) <= len(words) + 1


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_fails_once_is_said_by_the_vendor_all_the_same(case, kind, moment):
    if (case.by_http, kind, moment) == (True, "stalled", "before"):
        pytest.skip("a request that isn't answered has all the time there is: another one would be no faster")

    async def work(call, memory, told, own):
        callee = await heard(call, stream(*TEXTS))
        return callee.silence_s, memory.speak.heard(callee.pcm), told, own.spoken

    faults = (fault(kind, after_ms=MOMENTS[moment], count=1, code=1011),)
    silence_s, said, told, by_own = with_call(case, faults, work)
    assert_said_once(case, said, WORDS)
    assert silence_s < MOST_SILENCE_S
    assert (told, by_own) == ([], [])


@pytest.mark.parametrize("kind", [*PASSING, "slow", "throttled", "error"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_fails_twice_is_said_by_the_own_engine_and_told_once(case, kind, moment):
    async def work(call, memory, told, own):
        callee = await heard(call, stream(*TEXTS))
        again = await heard(call, stream("Goodbye. "))
        return callee.silence_s, memory.speak.heard(callee.pcm), memory.speak.heard(again.pcm), told, own.spoken

    after_ms = min(MOMENTS[moment], 1800) if case.by_http else MOMENTS[moment]  # a request is a sentence
    faults = (fault(kind, after_ms=after_ms, delay_s=30.0),)
    silence_s, said, again, told, by_own = with_call(case, faults, work)
    assert_said_once(case, said, WORDS)
    assert silence_s < MOST_SILENCE_S
    assert again == ["Goodbye."]
    assert [(one.part, one.vendor, one.by_own) for one in told] == [("voice", case.vendor, True)]
    assert by_own[-1] == "Goodbye."


@pytest.mark.parametrize(("kind", "reason"), [
    ("unauthorized", failures.Fault.UNAUTHORIZED),
    ("out_of_quota", failures.Fault.NO_CREDIT),
])  # fmt: skip
def test_a_refusal_is_not_repeated_in_the_call(case, kind, reason):
    async def work(call, memory, told, own):
        callee = await heard(call, stream(*TEXTS))
        asked = len(memory.speak.asked)
        await heard(call, stream("Goodbye. "))
        return callee.silence_s, memory.speak.heard(callee.pcm), told, len(memory.sockets), asked

    silence_s, said, told, sockets, _ = with_call(case, (fault(kind, after_ms=0),), work)
    assert_said_once(case, said, WORDS)
    assert silence_s < 2
    assert [one.fault for one in told] == [reason]
    assert sockets <= 2


def test_a_vendor_that_never_says_that_it_is_all_is_believed_and_nothing_is_said_twice(case):
    async def work(call, memory, told, own):
        await heard(call, stream("Let me tell you how fast it speaks here. "))
        callee = await heard(call, stream(*TEXTS))
        return memory.speak.heard(callee.pcm), told

    said, told = with_call(case, (fault("no_end"),), work)
    assert said == WORDS
    assert told == []


def test_a_websocket_that_is_closed_between_two_turns_is_not_noticed(case):
    async def work(call, memory, told, own):
        await heard(call, stream("Good morning. "))
        for wire in [] if case.by_http else memory.sockets:
            wire.line.close(1000, "connection idle timeout")
        await asyncio.sleep(0.5)
        callee = await heard(call, stream("Goodbye. "))
        return callee.silence_s, memory.speak.heard(callee.pcm), told

    assert with_call(case, (), work)[1:] == (["Goodbye."], [])


def test_a_vendor_that_cannot_be_reached_is_replaced(case):
    async def work(call, memory, told, own):
        memory.reachable = False
        callee = await heard(call, stream(*TEXTS))
        return callee.silence_s, memory.speak.heard(callee.pcm), [one.fault for one in told]

    silence_s, said, told = with_call(case, (), work)
    assert (said, told) == (WORDS, [failures.Fault.BUSY])
    assert silence_s < MOST_SILENCE_S


def test_what_never_left_for_the_vendor_is_not_counted(case):
    async def work(call, memory, told, own):
        memory.reachable = False
        await heard(call, stream(*TEXTS))

    sent = []
    with_call(case, (), work, count=sent.append)
    assert sent == []


@pytest.mark.parametrize("as_prompt", [False, True])
def test_what_the_vendor_is_sent_is_counted_once(case, as_prompt, tmp_path):
    async def work(call, memory, told, own):
        said = call.speak("".join(TEXTS)) if as_prompt else call.speak_all(stream(*TEXTS), lambda words: None)
        return memory.speak.heard(b"".join([pcm async for pcm in said]))

    sent = []
    prompts = PromptCache(tmp_path, Own(WordVoice())) if as_prompt else None
    assert with_call(case, (), work, prompts=prompts, count=sent.append) == WORDS
    assert sent == (["".join(TEXTS)] if as_prompt else list(TEXTS))


def test_a_text_whose_answer_was_not_waited_for_is_counted(case):
    async def work(call, memory, told, own):
        saying = asyncio.create_task(heard(call, stream("Good morning.")))
        await asyncio.sleep(0.08)  # before any audio, and after the handshake
        saying.cancel()
        await asyncio.wait([saying])

    sent = []
    with_call(case, (fault("slow", delay_s=1.0),), work, count=sent.append)
    assert sent == ["Good morning."]


def test_a_vendor_that_is_slow_to_connect_has_no_more_time_for_its_first_audio(case):
    async def work(call, memory, told, own):
        memory.handshake_s = 0.5
        callee = await heard(call, stream(*TEXTS))
        return callee.silence_s, memory.speak.heard(callee.pcm), [one.fault for one in told]

    silence_s, said, told = with_call(case, (fault("slow", after_ms=0, delay_s=30.0),), work)
    assert (said, told) == (WORDS, [failures.Fault.SLOW])
    assert silence_s < MOST_SILENCE_S


@pytest.mark.parametrize("as_prompt", [False, True])
def test_a_vendor_that_never_stops_speaking_is_broken_off_and_nothing_is_said_twice(as_prompt, tmp_path):
    class Endless:
        vendor = name = "endless"
        first_s = 1.0

        def __init__(self):
            self.asked = []

        def enter(self): ...

        def leave(self): ...

        async def speak_all(self, texts, on_words, *, first_s=0.0, sent=None):
            self.asked.append([text async for text in texts])
            while self.asked[-1]:
                await asyncio.sleep(0)
                yield bytes(16_000)

        async def speak(self, text):
            async for pcm in self.speak_all(stream(text), lambda words: None):
                yield pcm

    async def main():
        told, voice = [], Endless()
        call = CallVoice(voice, Own(WordVoice()), told.append, PromptCache(tmp_path, voice))
        said = call.speak("".join(TEXTS)) if as_prompt else call.speak_all(stream(*TEXTS), lambda words: None)
        said_s = sum([len(pcm) / 16_000 async for pcm in said])
        return said_s, voice.asked, told

    said_s, asked, told = run(main())
    assert 20 < said_s < 100
    assert asked == [["".join(TEXTS)] if as_prompt else list(TEXTS), []]
    assert told == []


def test_where_nobody_speaks_the_language_the_failure_is_told_and_raised(case):
    async def work(call, memory, told, own):
        memory.reachable = False
        with pytest.raises(SpeechUnavailable):
            await heard(call, stream(*TEXTS))
        memory.reachable = True
        callee = await heard(call, stream("Goodbye. "))
        return memory.speak.heard(callee.pcm), [one.by_own for one in told]

    assert with_call(case, (), work, own=False) == (["Goodbye."], [False])


def test_an_own_engine_that_says_nothing_is_not_waited_for_for_ever(case):
    async def work(call, memory, told, own):
        memory.reachable = False
        own._words = hangs
        with pytest.raises(SpeechUnavailable):
            await heard(call, stream(*TEXTS))
        return asyncio.get_running_loop().time()

    async def hangs(text):
        await asyncio.sleep(3600)

    assert with_call(case, (), work) < 12


def test_late_audio_of_what_was_cancelled_is_heard_by_nobody(case):
    async def work(call, memory, told, own):
        async with aclosing(call.speak_all(stream("never " * 50), lambda words: None)) as audio:
            async for _ in audio:
                break
        callee = await heard(call, stream("Goodbye. "))
        return memory.speak.heard(callee.pcm), told

    assert with_call(case, (fault("late", after_ms=800),), work) == (["Goodbye."], [])


def test_a_stream_goes_on_where_the_vendor_broke_off_while_it_waited_for_more(case):
    async def texts():
        yield "One moment. "
        await asyncio.sleep(3)
        yield "Here it is. "

    async def work(call, memory, told, own):
        async def break_off():
            await asyncio.sleep(2)
            for wire in [] if case.by_http else memory.sockets:
                wire.line.cut()

        breaking = asyncio.create_task(break_off())
        callee = await heard(call, texts())
        await breaking
        return memory.speak.heard(callee.pcm), told

    assert with_call(case, (), work) == (["One", "moment.", "Here", "it", "is."], [])


def test_a_prompt_is_made_once_for_all_calls_and_kept(case, tmp_path):
    async def work(call, memory, told, own):
        for _ in range(2):
            pcm = b"".join([piece async for piece in call.speak("Good morning.")])
        return memory.speak.heard(pcm), memory.speak.asked

    async def nobody(text):
        raise AssertionError

    prompts = PromptCache(tmp_path, Own(nobody))
    said, asked = with_call(case, (), work, prompts=prompts)
    assert said == ["Good", "morning."]
    assert len(asked) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_prompt_that_breaks_off_is_said_to_its_end_and_not_kept(case, moment, tmp_path):
    async def work(call, memory, told, own):
        callee = Callee()
        async with aclosing(call.speak(" ".join(TEXTS))) as audio:
            async for pcm in audio:
                callee.hear(pcm)
        await asyncio.sleep(1)
        return callee.silence_s, memory.speak.heard(callee.pcm), list(tmp_path.glob("*/*.pcm"))

    async def nobody(text):
        raise AssertionError

    prompts = PromptCache(tmp_path, Own(nobody))
    faults = (fault("cut", after_ms=MOMENTS[moment], count=1),)
    silence_s, said, kept = with_call(case, faults, work, prompts=prompts)
    assert len([word for word in WORDS if word not in said]) <= 1
    assert len(said) <= len(WORDS) + 1
    assert silence_s < MOST_SILENCE_S
    assert kept == []
