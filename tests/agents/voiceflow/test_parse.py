"""A voiceflow agent's YAML, and the wire that it leads to: requests, events and traces."""

import json

import pytest

from outdial.agents.brains.reaching import Project
from outdial.agents.kinds import kind_of
from outdial.agents.script.model import ScriptError
from outdial.agents.voiceflow import requests
from outdial.agents.voiceflow.events import MAX_EVENT_BYTES, EventReader, ServerEvent, TooLong
from outdial.agents.voiceflow.parse import parse_voiceflow
from outdial.agents.voiceflow.traces import (
    Choices,
    Ended,
    Expects,
    Forward,
    Goto,
    Interruptions,
    Keys,
    NoReply,
    Piece,
    PlayAudio,
    Say,
    Unknown,
    read_trace,
)

YAML = """
voiceflow:
  project: 64f0c0ffee
  api_key: "{secret:vf}"
  send: {name: "{user_name|there}"}
"""
PROJECT = Project(
    base_url="https://vf.example", project_id="p1", environment="production", user="+1555 0100/x", key="VF.DM.k"
)


def test_a_source_is_read_with_what_it_leaves_out():
    agent = parse_voiceflow(YAML)
    assert kind_of(YAML) == "voiceflow"
    assert (agent.project, agent.api_key, agent.environment, agent.user) == ("64f0c0ffee", "vf", "production", "callee")
    assert agent.base_url == "https://general-runtime.voiceflow.com"


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ("64f0c0ffee", "https://creator.example/p", "project is the id"),
        ('"{secret:vf}"', "VF.DM.123.abc", "api_key is a secret"),
        ("voiceflow:\n", "voiceflow:\n  user: nobody\n", "user is callee or call"),
        ("  project: 64f0c0ffee\n", "", "voiceflow needs project"),
        ("voiceflow:\n", "voiceflow:\n  base_url: ftp://x\n", "base_url is the address"),
    ],
)
def test_a_fault_is_named(was, becomes, reason):
    with pytest.raises(ScriptError, match=reason):
        parse_voiceflow(YAML.replace(was, becomes, 1))


def test_a_turn_is_asked_for_with_the_key_in_a_header_alone():
    asked = requests.streamed_turn(PROJECT, {"type": "launch"}, {"a": 1})
    assert asked.url == (
        "https://vf.example/v2/project/p1/user/%2B1555%200100%2Fx/interact/stream"
        "?environment=production&completion_events=true&state=true"
    )
    assert asked.body == {"action": {"type": "launch"}, "variables": {"a": 1}}
    assert asked.headers["authorization"] == "VF.DM.k"
    assert "VF.DM" not in asked.url + json.dumps(asked.body)
    whole = requests.whole_turn(PROJECT, {"type": "text", "payload": "x"}, {})
    assert whole.url == "https://vf.example/state/user/%2B1555%200100%2Fx/interact"
    assert whole.headers["versionID"] == "production"


def test_of_a_state_the_authors_variables_are_kept():
    own = {"vf_memory": "x", "sessions": 1, "last_event": {}, "empty": "", "none": None, "unset": 0}
    state = {"variables": {"day": "Friday", **own}}
    assert requests.variables_of(state) == {"day": "Friday"}
    assert requests.variables_of(None) == requests.variables_of({"variables": 7}) == {}


def test_a_no_is_kept_and_a_0_only_where_it_was_set():
    state = {"variables": {"confirmed": False, "count": 0, "unset": 0, "price": 0.0, "list": []}}
    assert requests.variables_of(state) == {"confirmed": False, "list": []}
    kept = {"confirmed": False, "count": 0, "price": 0.0, "list": []}
    assert requests.variables_of(state, {"count", "price"}) == kept
    assert requests.set_in(state) == {"confirmed", "list"}


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_the_same_however_they_are_cut(size):
    stream = (
        b'event: trace\r\nid: 1\ndata: {"type":\ndata: "text"}\n\n: a comment\n\nevent: end\nid: 7\n\ndata: no json\n\n'
    )
    reader = EventReader()
    found = [one for at in range(0, len(stream), size) for one in reader.feed(stream[at : at + size])]
    assert found == [ServerEvent("trace", {"type": "text"}), ServerEvent("end", None), ServerEvent("message", None)]


def test_an_event_without_an_end_is_too_long():
    reader = EventReader()
    with pytest.raises(TooLong):
        list(reader.feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1)))


@pytest.mark.parametrize(
    ("trace", "meaning"),
    [
        ({"type": "text", "payload": {"message": "Hi  there"}}, Say("Hi there")),
        ({"type": "speak", "payload": {"message": '<speak>Hi<break time="1s"/> &amp; bye</speak>'}}, Say("Hi & bye")),
        ({"type": "speak", "payload": {"type": "audio", "src": "https://a"}}, PlayAudio("https://a")),
        ({"type": "completion", "payload": {"state": "content", "content": "a b"}}, Piece("a b")),
        ({"type": "completion", "payload": {"state": "end"}}, Piece("", ends=True)),
        ({"type": "no-reply", "payload": {"timeout": 4}}, NoReply(4.0)),
        ({"type": "no-reply", "payload": {"timeout": 1e9}}, NoReply(60.0)),
        ({"type": "dtmf", "payload": {"enabled": False}}, Keys(most=0)),
        ({"type": "dtmf", "payload": {"maxDigits": 4}}, Keys(most=4, ends="#", pause_s=None)),
        ({"type": "dtmf", "payload": {"enabled": True, "delimiter": ["*"], "timeoutInSeconds": 5}},
         Keys(most=20, ends="*", pause_s=5.0)),
        ({"type": "dtmf", "payload": {"delimiter": ["*", "#", 7], "timeoutInSeconds": 1e9}},
         Keys(most=20, ends="#*", pause_s=20.0)),
        ({"type": "dtmf", "payload": {"delimiter": [], "timeoutInSeconds": "5"}}, Keys(most=20)),
        ({"type": "call-forward", "payload": {"address": "+1 (202) 555-0142"}}, Forward(number="+12025550142")),
        ({"type": "forward-call", "payload": '{"number": "+12025550142"}'}, Forward(number="+12025550142")),
        ({"type": "call-forward", "payload": {"address": "+12025550142", "extension": "ww104"}},
         Forward(number="+12025550142", has_extension=True)),
        ({"type": "call-forward", "payload": {"address": "sip:x@y", "addressType": "sip"}}, Forward(number="")),
        ({"type": "interruption", "payload": {"allowInterrupts": False}}, Interruptions(False)),
        ({"type": "goto", "payload": {"request": {"type": "x"}}}, Goto({"type": "x"})),
        ({"type": "end"}, Ended()),
        ({"type": "visual", "payload": {}}, Unknown("visual")),
        ("end", Unknown("")),
    ],
)  # fmt: skip
def test_a_trace_means_this(trace, meaning):
    assert read_trace(trace) == meaning


def test_a_choice_is_known_by_its_name_or_its_place():
    buttons = [{"name": name, "request": {"type": name}} for name in ("Yes!", "No", "No ")]
    choices = read_trace({"type": "choice", "payload": {"buttons": [*buttons, 7, {"name": "x"}]}})
    assert isinstance(choices, Choices)
    expects = Expects(choices=choices.buttons)
    assert expects.chosen("yes", "") == {"type": "Yes!"}
    assert expects.chosen("", "2") == {"type": "No"}
    assert expects.chosen("no", "") is expects.chosen("", "9") is expects.chosen("perhaps", "") is None
