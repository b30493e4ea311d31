"""What was heard of an utterance, where the voice tells when its words were."""

from collections.abc import AsyncIterator

from outdial.conversation.synthesis import Synthesis
from outdial.conversation.transcript import heard_part
from outdial.speech.base import SpokenWord
from outdial.speech.reading.reader import AMERICAN
from outdial.speech.spoken_words import spoken_until, unsaid


def word(text, start_ms, end_ms):
    return SpokenWord(text=text, start_ms=start_ms, end_ms=end_ms)


WORDS = [word("Good", 0, 300), word("morning.", 300, 2000), word("This", 2100, 2200), word("is", 2200, 2300)]
TEXT = "Good morning. This is Ada."


def test_what_was_heard_is_told_by_the_words_times_and_not_by_their_letters():
    assert TEXT[: spoken_until(TEXT, WORDS, 2050)] == "Good morning."
    assert heard_part(TEXT, 1900, 3000, reach=spoken_until(TEXT, WORDS, 1900)) == "Good"
    assert heard_part(TEXT, 1900, 3000) == "Good morning."


def test_a_word_that_is_spoken_otherwise_than_it_is_written_is_passed_over():
    words = [word("five", 0, 400), word("apples", 400, 900), word("please", 900, 1300)]
    assert "5 apples please"[: spoken_until("5 apples please", words, 900)] == "5 apples"


def test_what_is_left_to_say_begins_with_the_word_that_broke_off():
    assert unsaid(TEXT, WORDS, 2150, ms_per_char=65) == "This is Ada."
    assert unsaid(TEXT, WORDS, 0, ms_per_char=65) == TEXT


def test_without_times_it_is_estimated_to_the_nearest_word():
    assert unsaid(TEXT, [], 14 * 65, ms_per_char=65) == "This is Ada."
    assert unsaid(TEXT, [], 10_000, ms_per_char=65) == ""
    assert unsaid(TEXT, [], 24 * 65, ms_per_char=65, may_be_whole=True) == ""


class Playback:
    def __init__(self):
        self.finished = False
        self.pcm = b""

    def feed(self, pcm):
        self.pcm += pcm

    def finish(self):
        self.finished = True


class Streamed:
    """Takes texts as they come, and tells their words."""

    name = "streamed"

    def __init__(self):
        self.texts = []

    async def speak(self, text) -> AsyncIterator[bytes]:
        yield b"\1\1"

    async def speak_all(self, texts, on_words) -> AsyncIterator[bytes]:
        async for text in texts:
            self.texts.append(text)
            on_words([word(text.split()[0], 1000 * len(self.texts) - 1000, 1000 * len(self.texts) - 900)])
            yield b"\2\2"


async def test_a_stream_goes_to_the_voice_sentence_by_sentence_as_it_is_read_aloud():
    async def tokens():
        for token in ("Your code ", "is 12. Is", " that right", "?"):
            yield token

    voice, playback = Streamed(), Playback()
    synthesis = Synthesis(tokens(), playback, voice, AMERICAN, lambda: None)
    await synthesis.run()
    assert voice.texts == [AMERICAN.spoken("Your code is 12.") + " ", "Is that right? "]
    assert synthesis.text == "Your code is 12. Is that right?"
    assert (playback.pcm, playback.finished) == (b"\2\2" * 2, True)
    assert synthesis.reach(100) == len("Your")
    assert synthesis.reach(5000) is None
