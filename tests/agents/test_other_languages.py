"""What an agent speaks and listens with in other languages than its own."""

import pytest

from outdial.agents.other_languages import MOST, AgentLanguages
from outdial.agents.relay.parse import parse_relay
from outdial.speech.engines import NONE_OWN, OwnSpeech

SOURCE = """
agent: {language: en-US, voice: cartesia/ada, recognition: {vendor: deepgram, model: nova-3, options: {language: en}}}
relay:
  url: wss://a.example/ws
  signing_secret: "{secret:token}"
  languages:
    es-ES: {voice: elevenlabs/luisa}
    en-GB: {voice: cartesia/brian}
    de: {recognition: deepgram/nova-2}
"""


class Opened:
    """Engines that are made of a choice: which, and for which language."""

    def __init__(self):
        self.asked = []

    def __call__(self, choice, language):
        self.asked.append((choice, language))
        return OwnSpeech(from_text=f"{choice.voice and choice.voice.voice}", to_text=f"{choice.recognition.model}")


def languages_of(source=SOURCE):
    agent, opened = parse_relay(source), Opened()
    own = OwnSpeech(from_text="own", to_text="own")
    return AgentLanguages(agent.language, agent.speech, own, agent.languages, opened), opened


@pytest.mark.parametrize(
    ("language", "voice", "recogniser"),
    [
        ("en-US", "own", "own"),
        ("en-AU", "own", "own"),
        ("en-GB", "brian", "nova-3"),
        ("es-ES", "luisa", "nova-3"),
        ("ES-es", "luisa", "nova-3"),
        ("es-MX", "luisa", "nova-3"),
        ("de-AT", "ada", "nova-2"),
        ("sv-SE", "ada", "nova-3"),  # who have several languages are told this one
    ],
)
def test_each_language_has_what_was_chosen_for_it_or_what_the_agent_has_for_all(language, voice, recogniser):
    languages, opened = languages_of()
    speech = languages.speech(language)
    assert (speech.from_text, speech.to_text) == (voice, recogniser)
    assert [told for _, told in opened.asked] == ([] if voice == "own" else [language])
    assert not any("language" in choice.recognition.options for choice, _ in opened.asked)


def test_what_is_made_is_made_once():
    languages, opened = languages_of()
    assert languages.speech("es-ES") is languages.speech("es-ES")
    assert languages.speech("sv-SE") is languages.speech("sv-FI")
    assert len(opened.asked) == 2
    assert len({languages.key(one) for one in ("en-US", "en-AU", "en-GB", "es-ES", "es-MX", "sv-SE", "sv-FI")}) == 5


def test_who_has_one_language_alone_is_not_asked_for_another():
    own = "voice: deepgram/aura-2-thalia-en, recognition: deepgram/flux-general-en"
    source = f"agent: {{{own}}}\nrelay:\n  url: wss://a.example/ws\n  languages: {{de-DE: {{}}}}\n"
    agent, asked = parse_relay(source), []
    open_ = lambda choice, language: asked.append(choice) or NONE_OWN  # noqa: E731
    AgentLanguages(agent.language, agent.speech, NONE_OWN, agent.languages, open_).speech("de-DE")
    assert (asked[0].voice, asked[0].recognition) == (None, None)


@pytest.mark.parametrize("tag", ["multi", "-", "e", "en_US"])
def test_what_is_no_language_has_nothing(tag):
    languages, opened = languages_of()
    assert languages.speech(tag) is NONE_OWN
    assert opened.asked == []


def test_nobody_makes_an_agents_engines_without_end():
    languages, opened = languages_of()
    for one in range(MOST + 9):
        languages.speech(f"{chr(97 + one // 26)}{chr(97 + one % 26)}x")
    assert len(opened.asked) == MOST


async def test_voices_are_closed_with_the_agent():
    class Voice:
        name = vendor = "v"
        first_s, closed = 1.0, 0

        def speak(self, text): ...
        def speak_all(self, texts, on_words): ...
        def enter(self): ...
        def leave(self): ...

        async def aclose(self):
            self.closed += 1

    agent, voice = parse_relay(SOURCE), Voice()
    speech = OwnSpeech(from_text=voice)
    languages = AgentLanguages(agent.language, agent.speech, NONE_OWN, agent.languages, lambda choice, tag: speech)
    languages.speech("es-ES")
    await languages.aclose()
    assert voice.closed == 1
