"""A realtime agent's YAML: what it means, and what is refused with its line."""

import pytest

from outdial.agents.kinds import KINDS, kind_of, parse_agent
from outdial.agents.realtime.definition import Eagerness, NoiseReduction, RealtimeAgent, TurnDetection
from outdial.agents.review import KnownKeys, review_agent
from outdial.agents.script.model import ScriptError
from outdial.net.addresses import Allowed

KEY = 'api_key: "{secret:openai_api_key}"'
LEAST = f"realtime: {{{KEY}}}\ninstructions: Talk.\n"


def test_a_source_with_realtime_is_of_that_kind_although_llm_agents_have_instructions_too():
    assert kind_of(LEAST) == "realtime"
    assert kind_of("instructions: Talk.\nrealtime: [") == "realtime"
    agent = parse_agent(LEAST)
    assert isinstance(agent, RealtimeAgent)
    assert (agent.model, agent.model_voice, agent.silence_ms) == ("gpt-realtime", "marin", 500)
    assert KINDS["realtime"].models(agent)[0].speaks


def test_everything_can_be_said():
    agent = parse_agent(
        f"""
realtime:
  {KEY}
  base_url: http://127.0.0.1:8090/openai/v1/
  model: gpt-realtime-mini
  voice: cedar
  speed: 1.1
  transcription: gpt-4o-transcribe
  turn_detection: meaning
  eagerness: high
  noise_reduction: far_field
  answer_s: 20
no_reply_s: 5
instructions: Talk to {{name|you}}.
tools: [wait]
limits: {{seconds: 60, tokens: 1000}}
after: {{summary: true, model: gpt-5-mini}}
"""
    )
    assert isinstance(agent, RealtimeAgent)
    assert (agent.base_url, agent.model, agent.model_voice, agent.speed) == (
        "http://127.0.0.1:8090/openai/v1", "gpt-realtime-mini", "cedar", 1.1
    )  # fmt: skip
    assert (agent.turn_detection, agent.eagerness) == (TurnDetection.MEANING, Eagerness.HIGH)
    assert (agent.noise_reduction, agent.answer_s, agent.no_reply_s) == (NoiseReduction.FAR, 20, 5)
    assert agent.limits.tokens == 1000
    assert agent.tools == {"wait"}
    assert agent.after is not None


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("realtime: {}\ninstructions: Talk.\n", 1, "needs api_key"),
        (f"realtime: {{{KEY}}}\n", 1, "needs instructions"),
        ("realtime:\n  api_key: sk-123\ninstructions: Talk.\n", 2, "is a secret of the workspace"),
        (f"model: gpt-5\n{LEAST}", 1, "has its model in realtime"),
        (f"fallback: gpt-5\n{LEAST}", 1, "no fallback"),
        (f"think_ahead: true\n{LEAST}", 1, "doesn't think ahead"),
        (f"realtime:\n  {KEY}\n  voices: x\ninstructions: Talk.\n", 3, "unknown"),
        (f"realtime:\n  {KEY}\n  speed: 9\ninstructions: Talk.\n", 3, "from 0.25 to 1.5"),
        (f"realtime:\n  {KEY}\n  eagerness: low\ninstructions: Talk.\n", 3, "is for turn_detection: meaning"),
        (f"realtime:\n  {KEY}\n  turn_detection: never\ninstructions: Talk.\n", 3, "silence"),
        (f"realtime:\n  {KEY}\n  base_url: wss://x.example\ninstructions: Talk.\n", 3, "address of a server"),
        (f"realtime:\n  {KEY}\n  base_url: https://x.example/?a=1\ninstructions: Talk.\n", 3, "no query"),
        (f"realtime:\n  {KEY}\n  model: a b\ninstructions: Talk.\n", 3, "is a name of the server's"),
        (f"realtime:\n  {KEY}\n  transcription: no way\ninstructions: Talk.\n", 3, "is a name of the server's"),
    ],
)
def test_what_it_can_not_do_is_refused_with_its_line(source, line, words):
    with pytest.raises(ScriptError, match=words) as error:
        parse_agent(source)
    assert error.value.line == line


def test_a_review_warns_of_its_key_and_its_server_and_of_no_model():
    source = f"realtime:\n  {KEY}\n  base_url: http://10.0.0.7/v1\ninstructions: Talk.\n"
    review = review_agent(source, may_use=lambda model: False, keys=KnownKeys(secrets=()), allowed=Allowed.parse(""))
    assert review["errors"] == []
    assert sorted(one["line"] for one in review["warnings"]) == [2, 3]
