"""The engines of a call in other languages than its agent's."""

import pytest

from conversation.peers import Detector, Recogniser, Voice
from outdial.agents.other_languages import AgentLanguages
from outdial.conversation.call_facts import Engines
from outdial.conversation.languages import LanguageMissing
from outdial.live.call_languages import CallLanguages
from outdial.live.speech_use import SpeechUse
from outdial.speech.choice import NO_CHOICE
from outdial.speech.engines import NONE_OWN, OwnSpeech
from tests.live.test_speech_use import Vendors, VendorsVoice, say

OFFLINE = Voice(name="offline German")


@pytest.fixture
def events():
    return []


@pytest.fixture
def spoken(events):
    return SpeechUse(lambda type_, data: events.append((type_, data)), lambda tag: OFFLINE if tag == "de-DE" else None)


def languages(spoken, *, language="en-US", own=NONE_OWN, other=NONE_OWN):
    shared = Engines(speech_to_text=Recogniser(), text_to_speech=Voice(), voice_activity=Detector())
    agent = AgentLanguages(language, NO_CHOICE, own, {}, lambda choice, tag: other)
    return CallLanguages(agent, shared, shared, spoken), shared


async def test_a_vendors_voice_of_another_language_is_the_calls_until_its_end(spoken, events):
    vendors = VendorsVoice()
    found, _ = languages(spoken, other=OwnSpeech(from_text=vendors))
    voice = found.voice("es-ES")
    assert found.voice("es-MX") is voice
    assert await say(voice, "Buenos días.")
    assert vendors.calls == 1
    spoken.end()
    assert vendors.calls == 0
    assert [data["characters"] for type_, data in events if type_ == "speech_used"] == [12]


def test_what_the_server_speaks_itself_needs_no_vendor(spoken):
    found, shared = languages(spoken)
    assert found.voice("de-DE") is OFFLINE
    assert found.voice("en-GB") is shared.text_to_speech
    english, shared = languages(spoken, language="fr-FR")
    assert english.voice("en-US") is shared.text_to_speech
    assert english.recogniser("en-US") is shared.speech_to_text


@pytest.mark.parametrize("tag", ["sv-SE", "multi"])
def test_what_nobody_speaks_or_understands_is_missing(spoken, tag):
    found, _ = languages(spoken)
    with pytest.raises(LanguageMissing, match=f"{tag} is not available: the agent has no voice"):
        found.voice(tag)
    with pytest.raises(LanguageMissing, match=f"{tag} is not available: the agent has no recognition"):
        found.recogniser(tag)


def test_each_change_of_the_recogniser_is_a_session_of_its_own_and_all_are_told_of(spoken, events):
    found, _ = languages(spoken, own=OwnSpeech(to_text=Vendors()), other=OwnSpeech(to_text=Vendors()))
    engines = [found.recogniser(tag) for tag in ("es-ES", "en-US", "es-ES")]
    assert len(set(map(id, engines))) == 3
    for engine in engines:
        engine.call()
    spoken.end()
    assert [data["audio_ms"] for type_, data in events if type_ == "speech_used"] == [4000] * 3
