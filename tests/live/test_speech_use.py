"""What a call tells of its vendors of speech."""

import pytest

from conversation.peers import Recogniser
from outdial.live.speech_use import SpeechUse
from outdial.speech.base import SpeechUnavailable
from outdial.speech.by_utterance import ByUtterance
from outdial.speech.recognition_fallback import RecognitionUse
from outdial.speech.wire.failures import Fault, VendorFailed


class Failing:
    waited_ms = 0

    def feed(self, pcm):
        pass

    async def text(self):
        raise VendorFailed(Fault.NO_CREDIT, word="insufficient_credits")

    async def partial(self):
        return None


class VendorsCall(ByUtterance):
    def recognition(self, since_ms):
        return Failing()

    def used(self):
        return RecognitionUse(audio_ms=4000, open_ms=5000)

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
        ("speech_used", {"part": "recognition", "vendor": "acme", "audio_ms": 4000, "open_ms": 5000}),
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
