"""A machine without a speech wheel: it serves; what was said before is still said, and callees press keys."""

import sys

import pytest

from outdial.speech.base import SpeechUnavailable
from outdial.speech.instant import InstantTextToSpeech
from outdial.speech.missing import NoSpeechToText, NoTextToSpeech
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech, installed_engines
from outdial.speech.prompts import PromptCache


async def spoken(engine, text):
    return b"".join([piece async for piece in engine.speak(text)])


@pytest.fixture
def without(monkeypatch):
    def hide(*modules):
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)  # Python's own mark for "there is no such module"

    return hide


async def test_without_any_wheel_there_are_engines_and_the_log_says_what_is_missing(without, caplog):
    without("hibari", "moonshine_voice")
    to_text, from_text = await installed_engines()
    recognition = to_text.recognition()
    recognition.feed(bytes(16_000))
    assert await recognition.text() == ""
    with pytest.raises(SpeechUnavailable, match="pip install hibari-tts"):
        await spoken(from_text, "Hello.")
    assert caplog.messages == [
        "Speech recognition unavailable; callees can only press keys",
        "Speech synthesis unavailable; only cached prompts are said",
    ]
    assert "pip install moonshine-voice" in caplog.records[0].problem


async def test_what_an_installed_engine_has_said_is_in_the_cache_of_one_that_is_missing(without, tmp_path):
    installed = OfflineTextToSpeech()
    said = await spoken(PromptCache(tmp_path, installed), "Hello.")
    without("hibari")
    _, missing = await installed_engines()
    assert isinstance(missing, NoTextToSpeech)
    cache = PromptCache(tmp_path, missing)
    assert await spoken(cache, "Hello.") == said
    with pytest.raises(SpeechUnavailable):
        await spoken(cache, "Something new.")


async def test_only_what_is_missing_is_replaced(without):
    without("moonshine_voice")
    to_text, from_text = await installed_engines()
    assert isinstance(to_text, NoSpeechToText)
    assert isinstance(from_text, OfflineTextToSpeech)


async def test_with_all_wheels_nothing_is_replaced():
    to_text, from_text = await installed_engines()
    assert isinstance(to_text, OfflineSpeechToText)
    assert isinstance(from_text, OfflineTextToSpeech)
    assert from_text.name != InstantTextToSpeech().name
