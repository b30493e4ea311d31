import pytest

from outdial.media.frames import duration_ms
from outdial.speech.instant import InstantSpeechToText, InstantTextToSpeech


async def test_longer_text_makes_longer_audio():
    async def length_ms(text):
        return sum([duration_ms(piece) async for piece in InstantTextToSpeech().speak(text)])

    assert await length_ms("") == await length_ms(" \n") == 0
    assert 0 < await length_ms("Yes.") < 1000 < await length_ms("Could we move it to Thursday?") < 3000


async def test_utterances_are_understood_in_the_given_order():
    engine = InstantSpeechToText(["Hello?", "Yes."])
    understood = []
    for _ in range(3):
        recognition = engine.recognition()
        recognition.feed(b"\x01\x00")
        understood.append(await recognition.text())
    assert understood == ["Hello?", "Yes.", "Yes."]


async def test_no_audio_is_no_utterance():
    recognition = InstantSpeechToText().recognition()
    recognition.feed(b"")
    assert await recognition.text() == ""


def test_an_engine_needs_words():
    with pytest.raises(ValueError, match="at least one"):
        InstantSpeechToText([])
