"""A relay agent's YAML: what it says, and what is wrong with one that says it otherwise."""

import pytest

from outdial.agents.kinds import kind_of, parse_agent
from outdial.agents.relay.parse import parse_relay
from outdial.agents.review import KnownKeys, review_agent
from outdial.agents.script.model import ScriptError
from outdial.net.addresses import Allowed

YAML = """
relay:
  url: wss://app.example.com/ws?key={secret:app_key}
  signing_secret: "{secret:token}"
  parameters: {name: "{user_name}", visits: 3}
greeting: Hello {user_name|there}.
transfers: {desk: {to: "+442079460000", say: "Connecting you, {user_name|dear}."}}
outcomes: {confirmed: They come.}
limits: {turns: 9, seconds: 120}
"""


def test_every_section_is_read():
    agent = parse_relay(YAML)
    assert kind_of(YAML) == "relay"
    assert (agent.url, agent.signing_secret) == ("wss://app.example.com/ws?key={secret:app_key}", "token")
    assert agent.parameters.values == {"visits": 3}
    assert agent.parameters.texts["name"].source == "{user_name}"
    assert (agent.limits.turns, agent.limits.seconds, agent.answer_s, agent.reconnects) == (9, 120.0, 15.0, 2)
    assert (agent.dtmf, agent.partial_prompts, agent.interruptible, agent.preemptible) == (False, False, True, False)


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ("wss://app", "https://app", "url is the address of a server"),
        ("app.example.com/ws", "user:pw@app.example.com/ws", "url is the address of a server"),
        ("app.example.com", "{secret:host}.example.com", "url is the address of a server"),
        ("/ws?", "/ws/{day}?", "url is the address of a server"),
        ('"{secret:token}"', "12345", "signing_secret is a secret of the workspace"),
        ("visits: 3", "visits: [3]", "visits is one value"),
        ("relay:\n", "relay:\n  answer_s: 600\n", "answer_s is a number of seconds from 2 to 60"),
        ("relay:\n", "relay:\n  reconnects: 99\n", "reconnects is a whole number from 0 to 5"),
        ("relay:\n", "relay:\n  dtmf: often\n", "dtmf is true or false"),
        ("relay:\n", "relay:\n  languages: {multi: {}}\n", "'multi' is no tag of a language"),
        ("relay:\n", "relay:\n  languages: {en-us: {}}\n", "en-us is the agent's own language"),
        ("relay:\n", "relay:\n  languages: {es: {language: es}}\n", "'language' is unknown in es"),
        ("relay:\n", "relay:\n  languages: {es: {voice: nobody/x}}\n", "'nobody' is no vendor of speech"),
        ("turns: 9", "tokens: 9", "'tokens' is unknown in limits"),
        ("greeting:", "greting:", "'greting' is unknown in a relay agent; did you mean 'greeting'?"),
    ],
)
def test_a_fault_is_named_with_its_line(was, becomes, reason):
    assert was in YAML
    with pytest.raises(ScriptError, match=reason.replace("?", r"\?")) as fault:
        parse_relay(YAML.replace(was, becomes, 1))
    assert fault.value.line is not None


def test_what_it_needs_is_reviewed():
    none = KnownKeys(secrets=set())
    review = review_agent(YAML, lambda number: number.startswith("+1"), keys=none, allowed=Allowed())
    assert review["errors"] == []
    assert [(one["step"], one["text"]) for one in review["prompts"]] == [
        ("greeting", "Hello {user_name|there}."),
        ("desk", "Connecting you, {user_name|dear}."),
    ]
    told = " ".join(one["message"] for one in review["warnings"])
    assert "no secret app_key" in told
    assert "no secret token" in told
    assert "+442079460000 is not among" in told


@pytest.mark.parametrize(
    ("url", "says"),
    [("ws://10.0.0.7/ws", "private address"), ("ws://app.example.com/ws", "https"), ("wss://a.example", "")],
)
def test_a_server_that_may_not_be_reached_is_told_of_when_it_is_written(url, says):
    source = f"relay: {{url: '{url}'}}\n"
    told = [one["message"] for one in review_agent(source, allowed=Allowed())["warnings"] if "brain" in one["message"]]
    assert len(told) == bool(says)
    assert says in " ".join(told)


def test_what_speaks_and_listens_in_other_languages_is_reviewed_as_the_agents_own():
    languages = "{es-ES: {voice: deepgram/aura-2-thalia-en, recognition: deepgram/nova-3}, fr: {voice: cartesia/v}}"
    source = YAML.replace("relay:\n", f"relay:\n  languages: {languages}\n")
    agent = parse_relay(source)
    assert agent.languages["es-ES"].recognition.model == "nova-3"
    assert agent.languages["fr"].voice.vendor == "cartesia"
    told = [one["message"] for one in review_agent(source, keys=KnownKeys(secrets={"app_key", "token"}))["warnings"]]
    assert sum(f"needs secret {key}," in " ".join(told) for key in ("deepgram_api_key", "cartesia_api_key")) == 2
    assert "the voice aura-2-thalia-en is for en, and the agent's language is es-ES" in told


def test_without_a_signature_the_author_is_warned():
    [warning] = [one for one in parse_agent("relay: {url: wss://a.example/ws}\n").warnings if "signing" in one.reason]
    assert warning.line == 1
