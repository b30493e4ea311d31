"""What every recogniser does on a call, against its simulated vendor where it is one's, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache

import pytest

from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.speech.assemblyai import AssemblyAIRecogniser
from outdial.simulator.speech.flux import FluxRecogniser
from outdial.simulator.speech.nova import NovaRecogniser
from outdial.speech.by_utterance import ByUtterance
from outdial.speech.characters import Voice
from outdial.speech.choice import RecognitionChoice
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech
from outdial.speech.recognition_fallback import CallRecognitionWithFallback
from outdial.speech.vendor import Access
from outdial.speech.vendors import VENDORS
from outdial.testing.audio_engines import RememberedTextToSpeech, TimedSpeechToText
from speech.recognition.callee import Callee, WordEars, plain
from speech.recognition.http_memory import HttpMemory
from speech.synthesis.in_memory import InMemory, WordVoice
from virtual_time import run

LATEST_S = 2.5  # for words, whatever the vendor does: the agent answers before 4 s are over
SENTENCE = "I would like to move my appointment to thursday please"


async def key():
    return "k"


@dataclass(frozen=True)
class Case:
    """`guesses`: whether there are words while somebody speaks."""

    vendor: str
    model: str
    simulated: Callable | None
    guesses: bool = True
    key: Callable = key

    def open(self, world):
        """The call's recognition, and what there is of the vendor's connections."""
        memory = HttpMemory(world.ears) if self.simulated is None else InMemory(self.simulated(), world.ears)
        access = Access(url="http://vendor.example/" + self.vendor, key=self.key)
        choice = RecognitionChoice(vendor=self.vendor, model=self.model)
        engine = VENDORS[self.vendor].recogniser.open(choice, access, "en-US")
        engine.open_wire = memory
        engine.transport = getattr(memory, "transport", None)
        tell = lambda failure, by_own: world.replaced.append(failure.fault)  # noqa: E731
        return CallRecognitionWithFallback(engine, world.own, tell), memory


class Offline:
    """The engine of the package, at its usual pace, and its own voice for the callee."""

    vendor, model, guesses = "offline", "tiny", False

    def open(self, world):
        world.voice = said_offline
        return ByUtterance(TimedSpeechToText(OfflineSpeechToText())), HttpMemory(world.ears)


@cache
def offline_voice():
    return RememberedTextToSpeech(OfflineTextToSpeech(Voice.CALLEE))


async def said_offline(text):
    return b"".join([pcm async for pcm in offline_voice().speak(text)])


VENDORS_CASES = [
    Case("deepgram", "nova-3", NovaRecogniser),
    Case("deepgram", "flux-general-en", FluxRecogniser),
    Case("assemblyai", "universal-streaming-english", AssemblyAIRecogniser),
    Case("openai", "whisper-1", None, guesses=False),
]


def named(case):
    return f"{case.vendor}-{case.model}"


@pytest.fixture(params=VENDORS_CASES, ids=named)
def case(request):
    """A vendor's."""
    return request.param


@pytest.fixture(params=[Offline(), *VENDORS_CASES], ids=named)
def any_case(request):
    return request.param


@pytest.fixture(params=VENDORS_CASES, ids=named)
def any_vendors_key(request):
    """A vendor's, whose key is in a database that is away."""

    async def away():
        raise OSError("no database")

    return replace(request.param, key=away)


class World:
    def __init__(self, case):
        self.voice = WordVoice()
        self.ears = WordEars(self.voice)  # the vendor's
        self.own = WordEars(self.voice)
        self.replaced = []
        self.call, self.memory = case.open(self)
        self.callee = Callee(self.call, self.voice)


def is_alike(heard, said):
    """Word for word, but for what the offline recogniser mishears."""
    return SequenceMatcher(None, heard, plain(said)).ratio() >= 0.7


def on_call(case, work, *faults):
    """Run `work(world)` in virtual time; nothing may be left of it."""

    async def main():
        world = None

        def made():
            world = World(case)
            for fault in faults:
                world.memory.faults.add(fault)
            return world

        world = made()
        try:
            await world.callee.is_silent(600)  # it rings, and is picked up
            return await work(world)
        finally:
            await world.call.aclose()
            assert world.memory.open_sockets == 0
            await world.memory.aclose()
            await asyncio.sleep(0)
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    return run(main())


def test_words_are_heard_to_their_end(any_case):
    async def work(world):
        text, took_s = await world.callee.hears_text(await world.callee.says(SENTENCE))
        assert is_alike(text, SENTENCE)
        assert took_s <= 0.6
        assert (world.own.asked, world.replaced) == (0, [])

    on_call(any_case, work)


def test_words_are_guessed_while_they_are_said(case):
    async def work(world):
        utterance = await world.callee.begins(SENTENCE)
        guess = plain(await utterance.partial() or "")
        assert bool(guess) is bool(world.callee.changes) is case.guesses
        assert plain(SENTENCE).startswith(guess)

    on_call(case, work)


def test_silence_is_no_words(any_case):
    async def work(world):
        utterance = world.callee.utterance = world.call.recognition(world.callee.ms)
        await world.callee.is_silent(500)
        assert (await world.callee.hears_text(utterance))[0] == ""
        assert world.replaced == []

    on_call(any_case, work)


def test_noise_again_and_again_replaces_nobody(case):
    async def work(world):
        for _ in range(4):
            utterance = world.callee.utterance = world.call.recognition(world.callee.ms)
            await world.callee.is_silent(500)
            assert (await world.callee.hears_text(utterance))[0] == ""
        assert world.replaced == []

    on_call(case, work)


LONG = " ".join(f"{number} bottles stand on the wall" for number in ("two", "three", "four", "five", "six", "seven"))


@pytest.mark.parametrize("text", ["no", LONG], ids=["short", "long"])
def test_one_word_and_very_many_are_heard(any_case, text):
    async def work(world):
        heard, took_s = await world.callee.hears_text(await world.callee.says(text))
        assert is_alike(heard, text)
        assert took_s <= LATEST_S

    on_call(any_case, work)


def test_utterances_are_kept_apart(any_case):
    async def work(world):
        for said in ("yes please", "not today", "yes please"):
            heard, _ = await world.callee.hears_text(await world.callee.says(said))
            assert is_alike(heard, said)
            await world.callee.is_silent(400)

    on_call(any_case, work)


def test_who_goes_on_after_a_pause_is_heard_whole(any_case):
    async def work(world):
        utterance = await world.callee.says("my name is")
        assert is_alike((await world.callee.hears_text(utterance))[0], "my name is")
        await world.callee.is_silent(300)
        await world.callee.goes_on("Jane and I am at home")
        await world.callee.is_silent(200)
        assert is_alike((await world.callee.hears_text(utterance))[0], "my name is Jane and I am at home")

    on_call(any_case, work)


def test_who_stops_waiting_may_ask_again(any_case):
    async def work(world):
        utterance = await world.callee.says(SENTENCE)
        asking = asyncio.create_task(utterance.text())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert is_alike((await world.callee.hears_text(utterance))[0], SENTENCE)

    on_call(any_case, work)


@pytest.mark.parametrize("after_ms", [300, 1500, 2500, 3700])
@pytest.mark.parametrize("kind", [FaultKind.HEARING_CUT, FaultKind.HEARING_CLOSED, FaultKind.HEARING_GARBLED])
def test_a_connection_that_is_lost_is_made_again_within_the_turn(case, kind, after_ms):
    async def work(world):
        text, took_s = await world.callee.hears_text(await world.callee.says(SENTENCE))
        assert text == plain(SENTENCE)
        assert took_s <= LATEST_S
        assert world.replaced == []
        assert len(world.memory.sockets) == 2

    on_call(case, work, Fault(kind=kind, after_ms=after_ms, count=1))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(kind=FaultKind.HEARING_UNAUTHORIZED), ["unauthorized"]),
        (Fault(kind=FaultKind.HEARING_ERROR, status=402), ["no_credit"]),
        (Fault(kind=FaultKind.HEARING_ERROR, status=400), ["refused"]),
        (Fault(kind=FaultKind.HEARING_THROTTLED), ["busy"]),
        (Fault(kind=FaultKind.HEARING_ERROR, status=503), ["busy"]),
        (Fault(kind=FaultKind.HEARING_TOLD, after_ms=1500), ["no_credit"]),
        (Fault(kind=FaultKind.HEARING_CUT, after_ms=200), ["lost"]),
        (Fault(kind=FaultKind.HEARING_STALLED, after_ms=1500), []),
        (Fault(kind=FaultKind.HEARING_SLOW, delay_s=6.0), []),
        (Fault(kind=FaultKind.HEARING_NO_FINAL), []),
        (Fault(kind=FaultKind.HEARING_DISORDERED), []),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_whatever_a_vendor_does_the_words_come_in_time(case, fault, told):
    async def work(world):
        text, took_s = await world.callee.hears_text(await world.callee.says(SENTENCE))
        assert plain(SENTENCE).startswith(text)
        assert len(text) >= len(SENTENCE) / 2  # guessed, and not said for good
        assert took_s <= LATEST_S
        assert world.replaced == told

    on_call(case, work, fault)


def test_a_vendor_that_is_late_again_and_again_is_asked_no_more(case):
    async def work(world):
        for _ in range(3):
            heard, took_s = await world.callee.hears_text(await world.callee.says("yes please"))
            assert heard == "yes please"
            await world.callee.is_silent(400)
        assert took_s < 0.1
        assert world.replaced == ["slow"]
        assert world.memory.open_sockets == 0  # some are paid for while they are open

    on_call(case, work, Fault(kind=FaultKind.HEARING_STALLED, after_ms=100))


def test_a_connection_that_is_lost_in_the_moment_in_which_it_is_made_is_made_again():
    async def work(world):
        opened = world.memory.__class__.__call__

        async def lost_at_once(endpoint, receiver):
            wire = await opened(world.memory, endpoint, receiver)
            if len(world.memory.sockets) == 2:
                wire.line.cut()
            return wire

        world.call._first._connection._open_wire = lost_at_once
        world.memory.sockets[0].line.cut()
        text, _ = await world.callee.hears_text(await world.callee.says(SENTENCE))
        assert text == plain(SENTENCE)
        assert world.replaced == []
        assert len(world.memory.sockets) == 3

    unseen = []

    async def watched(world):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unseen.append(context["message"]))
        await work(world)

    on_call(VENDORS_CASES[0], watched)
    assert unseen == []


def test_a_key_that_can_not_be_read_is_a_vendor_that_can_not_be_reached(any_vendors_key):
    async def work(world):
        text, _ = await world.callee.hears_text(await world.callee.says(SENTENCE))
        assert text == plain(SENTENCE)
        assert world.replaced == ["unreachable"]

    on_call(any_vendors_key, work)


def test_a_call_that_ends_leaves_nothing_behind_whatever_it_waits_for(any_case):
    async def work(world):
        utterance = await world.callee.says(SENTENCE)
        asking = asyncio.create_task(utterance.text())
        await asyncio.sleep(0.01)
        await world.call.aclose()
        await asyncio.wait([asking])

    on_call(any_case, work)
