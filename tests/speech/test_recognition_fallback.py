"""A vendor that doesn't tell words in time, where nobody else understands the language."""

import pytest

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import NotRecognised, SpeechUnavailable
from outdial.speech.recognition_fallback import MOST_LOST, WORDS_MS, CallRecognitionWithFallback
from outdial.speech.wire.failures import Fault, VendorFailed


class Vendor:
    """Answers one thing after the other: words, or a Fault."""

    name = vendor = "vendor"

    def __init__(self, *answers, tells_silence=True, guesses=None):
        self.answers = list(answers)
        self.tells_silence = tells_silence
        self.guesses = guesses
        self.within_s = 1.0
        self.waited_ms = 0
        self.is_over = self.has_left = False

    def call(self):
        return self

    def recognition(self, since_ms=0):
        return self

    def feed(self, pcm):
        pass

    async def text(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Fault):
            raise VendorFailed(answer)
        return answer

    async def partial(self):
        return self.guesses

    def leave(self):
        self.has_left = True


async def heard(vendor, *, ms=1000):
    """What becomes of each utterance, and what is told."""
    told, found = [], []
    call = CallRecognitionWithFallback(vendor, None, lambda failure, by_own: told.append((failure.fault, by_own)))
    while vendor.answers and not call.is_replaced:
        recognition = call.recognition(0)
        recognition.feed(bytes(ms * BYTES_PER_MS))
        try:
            found.append(await recognition.text())
        except (NotRecognised, SpeechUnavailable) as error:
            found.append(type(error))
    return found, told


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.BUSY, Fault.LOST, Fault.UNREACHABLE, Fault.UNREADABLE])
async def test_words_that_are_lost_may_be_said_again_until_that_happens_three_times_in_a_row(fault):
    vendor = Vendor(fault, fault, "yes", fault, fault, fault, "never asked")
    found, told = await heard(vendor)
    lost = [NotRecognised] * (MOST_LOST - 1)
    assert found == [*lost, "yes", *lost, SpeechUnavailable]
    assert told == [(fault, False)]
    assert vendor.has_left
    assert vendor.answers == ["never asked"]


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.NO_CREDIT, Fault.REFUSED])
async def test_a_refusal_is_no_lost_word(fault):
    assert await heard(Vendor(fault, "no")) == ([SpeechUnavailable], [(fault, False)])


async def test_a_vendor_that_is_lost_for_good_is_not_asked_again():
    vendor = Vendor(Fault.LOST, "no")
    vendor.is_over = True
    assert await heard(vendor) == ([SpeechUnavailable], [(Fault.LOST, False)])


async def test_what_was_guessed_by_then_is_not_lost():
    assert await heard(Vendor(*[Fault.SLOW] * 5, guesses="tomorrow")) == (["tomorrow"] * 5, [])


@pytest.mark.parametrize(("tells_silence", "found"), [(True, NotRecognised), (False, "")])
async def test_a_cough_is_no_lost_word_of_a_vendor_that_says_nothing_of_noise(tells_silence, found):
    vendor = Vendor(Fault.SLOW, tells_silence=tells_silence)
    assert await heard(vendor, ms=WORDS_MS - 20) == ([found], [])
