"""What vendors of speech do in one call, as its events tell it."""

import pytest

from conversation.peers import Recogniser
from outdial.live.speech_use import SpeechUse
from outdial.speech.base import SpeechUnavailable
from outdial.speech.by_utterance import ByUtterance
from outdial.speech.prompts import PromptCache
from outdial.speech.recognition_fallback import RecognitionUse
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.testing.engines import Voice


class VendorsVoice:
    vendor = "cartesia"
    name = "cartesia sonic-3 anna"
    first_s = 1.0

    def __init__(self, failure=None):
        self.failure = failure
        self.calls = 0
        self.asked = 0

    async def speak(self, text):
        async for pcm in self.speak_all(None, None):
            yield pcm

    async def speak_all(self, texts, on_words, *, first_s=1.0, sent=None):
        self.asked += 1
        async for text in texts:
            sent(text)
        if self.failure is not None:
            raise self.failure
        yield bytes(320)

    def enter(self):
        self.calls += 1

    def leave(self):
        self.calls -= 1

    async def aclose(self):
        pass


async def say(voice, text):
    return b"".join([pcm async for pcm in voice.speak(text)])


@pytest.fixture
def events():
    return []


@pytest.fixture
def spoken(events):
    return SpeechUse(lambda type_, data: events.append((type_, data)), lambda language: None)


async def test_what_a_voice_was_given_is_told_at_the_end_of_the_call_and_once(spoken, events):
    vendors = VendorsVoice()
    voice = spoken.voice(vendors, Voice(), "en-US")
    assert vendors.calls == 1
    assert await say(voice, "Good morning.") == bytes(320)
    spoken.end()
    spoken.end()
    assert vendors.calls == 0
    took_ms = events[0][1].pop("took_ms")
    assert events == [("speech_used", {"part": "voice", "vendor": "cartesia", "characters": 13})]
    assert len(took_ms) == 1


async def test_a_voice_that_was_never_asked_costs_nothing(spoken, events):
    spoken.voice(VendorsVoice(), Voice(), "en-US")
    spoken.end()
    assert events == []


async def test_a_voice_that_is_replaced_is_told_with_the_vendors_own_code(spoken, events):
    vendors, own = VendorsVoice(VendorFailed(Fault.NO_CREDIT, word="quota_exceeded")), Voice()
    voice = spoken.voice(vendors, own, "en-US")
    assert await say(voice, "Good morning.")
    assert await say(voice, "Goodbye.")
    assert own.spoken == ["Good morning.", "Goodbye."]
    assert vendors.asked == 1
    told = {"part": "voice", "vendor": "cartesia", "reason": "no_credit", "code": "quota_exceeded", "by": "offline"}
    assert [data for type_, data in events if type_ == "speech_replaced"] == [told]


async def test_nothing_takes_over_in_another_language_than_the_own_engines(spoken, events):
    voice = spoken.voice(VendorsVoice(VendorFailed(Fault.UNAUTHORIZED)), Voice(), "de-DE")
    with pytest.raises(SpeechUnavailable):
        await say(voice, "Guten Morgen.")
    assert [data["by"] for type_, data in events if type_ == "speech_replaced"] == [None]


async def test_an_offline_voice_of_the_language_takes_over_or_speaks_by_itself(events, tmp_path):
    german, shared = Voice(name="pico de"), Voice()
    spoken = SpeechUse(lambda type_, data: events.append((type_, data)), {"de-DE": german}.get)
    assert spoken.voice(None, shared, "de-DE") is german
    assert spoken.voice(None, shared, "pl-PL") is shared
    kept = spoken.voice(None, PromptCache(tmp_path, shared), "de-DE")
    for _ in range(2):
        assert await say(kept, "Guten Tag.")
    assert german.spoken == ["Guten Tag."]
    voice = spoken.voice(VendorsVoice(VendorFailed(Fault.UNAUTHORIZED)), shared, "de-DE")
    assert await say(voice, "Guten Morgen.")
    assert german.spoken[-1] == "Guten Morgen."
    assert [data["by"] for type_, data in events if type_ == "speech_replaced"] == ["offline"]


def test_an_engine_of_a_users_own_is_left_as_it_is(spoken):
    own, shared = Voice(), Voice()
    assert spoken.voice(own, shared, "en-US") is own
    assert spoken.voice(None, shared, "en-US") is shared


class Failing:
    waited_ms = 0

    def feed(self, pcm):
        pass

    async def text(self):
        raise VendorFailed(Fault.NO_CREDIT, word="insufficient_credits")

    async def partial(self):
        return None


class VendorsCall(ByUtterance):
    within_s = 1.0
    tells_silence = True
    is_over = False
    gives_up = True

    def recognition(self, since_ms):
        return Failing()

    def used(self):
        return RecognitionUse(audio_ms=4000, open_ms=5000)

    def leave(self):
        pass

    async def check(self):
        pass


class Vendors:
    name, vendor = "acme fast", "acme"

    def call(self):
        return VendorsCall(Recogniser(name="acme"))


async def hear(language):
    """What an utterance is understood as, and the events of the call."""
    events = []
    use = SpeechUse(lambda type_, data: events.append((type_, data)))
    call = use.recognition(Vendors(), Recogniser(words={1: "yes"}, takes_s=0.0), language).call()
    recognition = call.recognition(0)
    recognition.feed(b"\1\0" * 160)
    try:
        return await recognition.text(), events
    finally:
        use.end()
        use.end()


async def test_the_servers_recogniser_takes_over_and_the_call_tells_so_and_what_was_used():
    text, events = await hear("en-US")
    assert text == "yes"
    told = {"part": "recognition", "vendor": "acme", "reason": "no_credit", "code": "insufficient_credits"}
    assert events == [
        ("speech_replaced", told | {"by": "offline"}),
        ("speech_used", {"part": "recognition", "vendor": "acme", "audio_ms": 4000, "open_ms": 5000, "took_ms": []}),
    ]


async def test_where_it_does_not_know_the_language_nobody_takes_over():
    with pytest.raises(SpeechUnavailable):
        await hear("de-DE")


def test_a_recogniser_of_no_vendor_is_had_as_it_is():
    own, shared = Recogniser(), Recogniser()
    use = SpeechUse(lambda type_, data: pytest.fail("nothing to tell"))
    assert use.recognition(own, shared, "en-US") is own
    assert use.recognition(None, shared, "en-US") is shared
    use.end()
