import pytest

from outdial.agents.kinds import parse_agent
from outdial.agents.review import review_agent
from outdial.agents.speech_languages import lacking, languages


@pytest.fixture(autouse=True)
def spoken_offline(monkeypatch):
    """Languages that the extra `languages` speaks: none, as long as it isn't installed."""
    found = set()
    monkeypatch.setattr("outdial.agents.speech_languages.speaks", lambda language: language[:2] in found)
    return found


REST = "\nsteps: {a: {hang_up: Bye.}}\n"


def agent_with(**section: str) -> str:
    return f"agent: {{{', '.join(f'{key}: {value}' for key, value in section.items())}}}{REST}"


@pytest.mark.parametrize(
    ("section", "lacks"),
    [
        ({}, []),
        ({"language": "de-DE"}, ["voice", "recognition"]),
        ({"language": "de-DE", "voice": "cartesia/v-1"}, ["recognition"]),
        ({"language": "fr", "recognition": "deepgram/nova-3"}, ["voice"]),
        ({"language": "es", "voice": "deepgram/aura-2-javier-es", "recognition": "deepgram/flux-general-multi"}, []),
        ({"language": "es", "voice": "deepgram/aura-2-thalia-en", "recognition": "deepgram/nova-3"}, ["voice"]),
        ({"language": "de", "voice": "cartesia/v-1", "recognition": "deepgram/flux-general-en"}, ["recognition"]),
        ({"voice": "deepgram/aura-2-lara-de"}, ["voice"]),
    ],
)
def test_what_nobody_does_in_an_agents_language_is_known(section, lacks):
    agent = parse_agent(agent_with(**section))
    assert lacking(agent.speech, agent.language) == lacks


def test_with_an_offline_voice_of_the_language_only_recognition_is_lacking(spoken_offline):
    spoken_offline.add("de")
    agent = parse_agent(agent_with(language="de-DE"))
    assert lacking(agent.speech, agent.language) == ["recognition"]
    found = {one["language"]: one for one in languages()}
    assert [tag for tag, one in found.items() if one["offline_voice"]] == ["de", "en"]
    assert [tag for tag, one in found.items() if one["offline"]] == ["en"]
    foreign = parse_agent(agent_with(language="de", voice="deepgram/aura-2-thalia-en", recognition="deepgram/nova-3"))
    assert lacking(foreign.speech, foreign.language) == ["voice"]


def test_a_voice_or_model_of_another_language_is_a_warning_at_its_line():
    chosen = "  voice: deepgram/aura-2-thalia-en\n  recognition: deepgram/nova-2-phonecall\n"
    source = f"agent:\n  language: de\n{chosen}{REST}"
    warned = {one["line"]: one["message"] for one in review_agent(source)["warnings"]}
    assert warned[3] == "the voice aura-2-thalia-en is for en, and the agent's language is de"
    assert warned[4] == "the model nova-2-phonecall is for en, and the agent's language is de"
    right = source.replace("thalia-en", "lara-de").replace("nova-2-phonecall", "nova-3")
    assert {3, 4}.isdisjoint(one["line"] for one in review_agent(right)["warnings"])


def test_a_language_is_listed_with_who_speaks_and_understands_it():
    found = {one["language"]: one for one in languages()}
    assert set(found) == {"de", "en", "es", "fr"}
    assert [tag for tag, one in found.items() if one["offline"]] == ["en"]
    for one in found.values():
        assert {"cartesia", "deepgram", "elevenlabs", "openai"} <= set(one["voices"])
        assert {"assemblyai", "deepgram", "openai"} <= set(one["recognition"])
