"""What goes wrong between a realtime agent and its server: the callee isn't left in silence, and hears the truth."""

import base64
import json
from dataclasses import replace

import pytest

from outdial.agents.brains.reaching import BrainAway
from outdial.agents.realtime import protocol
from outdial.agents.realtime.link import Inbox
from outdial.agents.realtime.mouth import Mouth
from outdial.simulator.faults import Fault, FaultKind
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndReason
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.realtime.server_in_memory import Server
from tests.agents.realtime.test_run import GOODBYE, HELLO, YAML, says_yes, talked

SORRY = "agent: I'm sorry, something isn't working here"


def words(phone, type_):
    return [data.get("error") or data.get("code") for name, data in phone.events if name == type_]


def test_a_connection_that_breaks_in_the_middle_of_an_answer_is_made_anew_with_the_conversation_so_far():
    server = Server("Yes, I can.", faults=[Fault(kind=FaultKind.REALTIME_CUT, after_ms=1200, count=1)])
    phone, end = talked(server, lambda phone: phone.says("Yes, I can.", after="come?"))
    assert len(server.sockets) == 2
    assert words(phone, "brain_lost") == ["connection"]
    begun, again = phone.lines[1], phone.lines[2]
    assert HELLO.startswith(begun.removeprefix("agent: "))
    assert again.endswith("come?")
    items = [one["item"]["content"][0]["text"] for one in server.sockets[1].session.told if "item" in one]
    assert items[0] == "[The call has just been answered. Say the first words.]"
    assert items[2] == begun.removeprefix("agent: ")
    assert "broke off for a moment" in items[3]
    assert phone.lines[-1] == f"agent: {GOODBYE}"
    assert end.end_reason is EndReason.COMPLETED


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (FaultKind.REALTIME_UNAUTHORIZED, "http_401"),
        (FaultKind.REALTIME_THROTTLED, "http_429"),
        (FaultKind.REALTIME_WRONG_FORMAT, "wrong_audio_format"),
        (FaultKind.REALTIME_FAILED, "server_error"),
        (FaultKind.REALTIME_SILENT, "no_answer"),
        (FaultKind.REALTIME_CUT, "connection"),
    ],
)
def test_a_model_that_can_not_go_on_is_told_to_the_callee_in_our_own_voice(kind, word):
    phone, end = talked(Server(faults=[Fault(kind=kind, after_ms=0)]))
    assert phone.lines[-1].startswith(SORRY)
    assert words(phone, "brain_failed") == [word]
    assert (end.end_reason, end.error.code) == (EndReason.FAILED, FailureCode.AGENT_FAILED)
    assert word in end.error.message
    assert longest_silence_ms(phone) <= 4000


@pytest.mark.parametrize("kind", [FaultKind.REALTIME_THROTTLED, FaultKind.REALTIME_FAILED, FaultKind.REALTIME_EXPIRED])
def test_what_fails_once_is_tried_once_more(kind):
    server = Server("Yes, I can.", faults=[Fault(kind=kind, count=1)])
    phone, _ = talked(server, says_yes)
    assert phone.lines[1:] == [f"agent: {HELLO}", "callee: Yes, I can.", f"agent: {GOODBYE}"]


def test_a_callee_who_waits_for_an_answer_is_told_that_it_takes_a_moment():
    server = Server("Yes, I can.", faults=[Fault(kind=FaultKind.REALTIME_SLOW, delay_s=5, count=1)])
    phone, _ = talked(server, says_yes)
    assert phone.lines[1:3] == ["agent: One moment, please.", f"agent: {HELLO}"]
    assert longest_silence_ms(phone) <= 4000


def test_words_that_are_not_written_down_are_told_as_that():
    server = Server("Yes, I can.", faults=[Fault(kind=FaultKind.REALTIME_NO_WORDS)])
    phone, _ = talked(server, says_yes)
    assert phone.lines[2:] == ["callee: [not written down]", f"agent: {GOODBYE}"]


def test_audio_that_comes_after_an_answer_was_cut_off_is_not_heard():
    server = Server("Where?", "Yes, I can.", faults=[Fault(kind=FaultKind.REALTIME_LATE)])

    def act(phone):
        phone.says("Where?", after="Tuesday", over=True, pause_s=0.5)
        phone.says("Yes, I can.", after="So, will you")

    phone, _ = talked(server, act)
    assert [line for line in phone.lines if line == "agent: "] == []
    assert phone.lines[-1] == f"agent: {GOODBYE}"
    assert words(phone, "realtime_error") == []


def test_a_refused_session_says_why():
    class Picky(Server):
        async def connect(self, url, headers, **more):
            socket = await super().connect(url, headers, **more)
            socket.session.receive = lambda message: socket._send(
                '{"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_value"}}'
            )
            return socket

    phone, _end = talked(Picky())
    assert words(phone, "brain_failed") == ["invalid_value"]
    assert phone.lines[-1].startswith(SORRY)


def test_a_key_that_nobody_has_set_is_no_silence():
    from outdial.secrets.store import SecretMissing

    class Poor(Server):
        async def _reveal(self, names, host):
            raise SecretMissing("openai_api_key")

    phone, _end = talked(Poor())
    assert words(phone, "brain_failed") == ["secret_missing"]


def test_limits_end_a_call_with_a_goodbye():
    phone, end = talked(Server(), yaml=YAML + "limits: {turns: 1}\n")
    assert ("agent_limit", {"limit": "turns"}) in phone.events
    assert phone.lines[1] == f"agent: {HELLO}"
    assert len(phone.lines) == 3
    assert end.end_reason is EndReason.COMPLETED


def test_a_model_that_falls_silent_in_the_middle_of_its_words_is_asked_on_another_connection():
    class Stalls(Server):
        async def connect(self, url, headers, **more):
            socket = await super().connect(url, headers, **more)
            if len(self.sockets) == 1:
                send, sent = socket._send, []

                def some(message):
                    sent.append(message)
                    if sum("output_audio.delta" in one for one in sent) <= 5:
                        send(message)

                socket.session._line = type(socket.session._line)(send=some, close=socket._close, cut=lambda: None)
            return socket

    server = Stalls("Yes, I can.")
    phone, _end = talked(server, lambda phone: phone.says("Yes, I can.", after="come?"))
    assert words(phone, "brain_lost") == ["no_answer"]
    assert phone.lines[-1] == f"agent: {GOODBYE}"
    assert longest_silence_ms(phone) <= 4000


def audio(item, seconds):
    delta = base64.b64encode(bytes(8000 * seconds)).decode()
    return {"type": "response.output_audio.delta", "response_id": "r", "item_id": item, "delta": delta}


def test_a_server_that_sends_without_end_while_nobody_looks_is_given_up():
    inbox = Inbox()
    text = json.dumps(audio("i", 20))
    event = protocol.read(text)
    for _ in range(14):
        inbox.put(event, len(text))
    with pytest.raises(BrainAway, match="too_much"):
        inbox.put(event, len(text))
    assert inbox.take() == [event] * 15
    inbox.put(protocol.read(text), len(text))


def test_items_that_wait_to_be_said_are_no_more_than_one_may_be_long():
    mouth = Mouth()
    fed = [mouth.feed(protocol.read(json.dumps(audio(f"i{n}", 1))), bytes(16_000 * 10), 1, None) for n in range(30)]
    assert fed.index(False) in range(18, 21)
    words = protocol.Words("r", "i", "Hello")
    for n in range(100):
        mouth.words(replace(words, item=f"w{n}"), 1, None)
    assert len(mouth._waiting) <= 50


def test_a_session_that_fails_for_a_moment_while_it_is_set_up_is_tried_again():
    class Picky(Server):
        async def connect(self, url, headers, **more):
            socket = await super().connect(url, headers, **more)
            if len(self.sockets) == 1:
                refused = {"type": "error", "error": {"type": "server_error", "code": "server_error"}}
                socket.session.receive = lambda message: socket._send(json.dumps(refused))
            return socket

    phone, _end = talked(Picky("Yes, I can."), says_yes)
    assert words(phone, "brain_failed") == []
    assert phone.lines[-1] == f"agent: {GOODBYE}"
