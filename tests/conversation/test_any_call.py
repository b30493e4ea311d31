"""Whatever happens in a call, in whatever order: it ends, in time, and leaves nothing behind but its transcript."""

import asyncio
import gc
import logging
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import virtual_time
from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.commands import CommandRefused, Say, SendDigits, Transfer
from outdial.conversation.session import AFTER_CALL_S
from outdial.conversation.transcript import Speaker
from outdial.conversation.verb_results import CallEnded, SpeechFailed
from outdial.telephony.state import EndReason
from outdial.telephony.verdict import AnsweredBy

MAX_DURATION_S = 30.0

seconds = st.sampled_from([0.0, 0.01, 0.02, 0.1, 0.3, 1.0, 3.0])
texts = st.sampled_from(["", "Hm.", "Hello?", "Yes, that is fine.", "Well, I don't know about that, let me think."])

# What the agent does, one after the other.
verbs = st.one_of(
    st.tuples(st.just("say"), texts, st.booleans()),
    st.tuples(st.just("listen"), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 4.0]), st.integers(0, 4)),
    st.tuples(st.just("send_digits"), st.sampled_from(["", "1", "2w#"])),
    st.tuples(st.just("transfer")),
    st.tuples(st.just("hang_up")),
)

# What happens around it, each so many seconds after the one before.
happenings = st.one_of(
    st.tuples(st.just("callee_says"), texts),
    st.tuples(st.just("noise"), st.sampled_from([20, 60, 100, 400, 2000])),
    st.tuples(st.just("press"), st.text("1#*", min_size=1, max_size=5)),
    st.tuples(st.just("verdict"), st.sampled_from(AnsweredBy)),
    st.tuples(st.just("mute"), st.booleans()),
    st.tuples(st.just("stall"), st.sampled_from([0.1, 1.0, 3.0])),
    st.tuples(st.just("hold up"), st.sampled_from([0.1, 1.0, 3.0])),
    st.tuples(st.just("marks"), st.booleans()),
    st.tuples(st.just("bad frame")),
    st.tuples(st.just("voice"), st.sampled_from(["fails", "hangs", "stutters", "works"])),
    st.tuples(st.just("ears"), st.sampled_from(["fail", "hang", "lag", "work"])),
    st.tuples(
        st.just("command"),
        st.one_of(
            st.builds(Say, text=texts, interrupt=st.booleans()),
            st.builds(SendDigits, digits=st.sampled_from(["", "1", "2w#"])),
            st.just(Transfer(to="+15550004")),
        ),
    ),
    st.tuples(st.sampled_from(["stop", "cut", "ask_hang_up"])),
)


def happen(stage, what, *details):
    match what, *details:
        case "callee_says", text:
            if text:
                stage.callee_says(text)
        case "noise", ms:
            stage.callee_says(None, ms)
        case "press", keys:
            stage.carrier.press(keys)
        case "verdict", category:
            stage.answered_by(category)
        case "mute", muted:
            stage.carrier.muted = muted
        case "stall", stalled_s:
            stage.detector.stall(stalled_s)
        case "hold up", held_s:
            stage.carrier.hold_up(held_s)
        case "marks", come:
            stage.carrier.marks_come = come
        case ("bad frame",):
            stage.media_line.received("what?")
        case "voice", state:
            stage.voice.fails_after = 1 if state == "fails" else None
            stage.voice.hangs_after = 1 if state == "hangs" else None
            stage.voice.piece_s = 0.7 if state == "stutters" else 0.0
            stage.voice.piece_ms = 500 if state == "stutters" else 1000
        case "ears", state:
            stage.ears.fails = state == "fail"
            stage.ears.takes_s = {"hang": 3600.0, "lag": 1.3}.get(state, 0.1)
        case "command", command:
            stage.commands.append(asyncio.create_task(ask(stage, command)))
        case ("stop",):
            stage.carrier.stop()
        case ("cut",):
            stage.carrier.cut()
        case ("ask_hang_up",):
            stage.session.ask_hang_up()


async def ask(stage, command):
    with suppress(CommandRefused):
        await stage.session.carry_out(command)


@pytest.fixture(scope="module", autouse=True)
def looked_through_already():
    """What is there before belongs to no call: to look through all of it after each one takes a second."""
    gc.collect()
    gc.freeze()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    program=st.lists(verbs, max_size=8),
    again=st.booleans(),
    events=st.lists(st.tuples(seconds, happenings), max_size=12),
    action=st.sampled_from(["hang_up", "leave_message", "continue"]),
    mark_delay_s=st.sampled_from([0.0, 0.04, 0.5]),
)
def test_any_call_ends_in_order(program, again, events, action, mark_delay_s):
    raised = []

    async def agent(call):
        for verb, *how in program:
            try:
                match verb:
                    case "say":
                        said = await call.say(how[0], interruptible=how[1])
                        assert how[0].startswith(said.text)
                        assert not (said.complete and said.interrupted)
                    case "listen":
                        heard = await call.listen(until_silence_s=how[0], no_reply_s=how[1], max_digits=how[2])
                        assert bool(heard.text) + bool(heard.digits) + heard.silent == 1
                    case "send_digits":
                        await call.send_digits(how[0])
                    case "transfer":
                        await call.transfer("+15550003")
                    case "hang_up":
                        await call.hang_up()
            except (CallEnded, SpeechFailed) as outcome:
                raised.append(type(outcome))
                if not again:
                    raise

    async def main():
        stage = Stage(
            agent,
            machine=MachinePolicy(action=action, message=lambda call: "Please call us back."),
            max_duration_s=MAX_DURATION_S,
        )
        stage.carrier.mark_delay_s = mark_delay_s
        over = False

        def do(*what):
            if not over and not stage.media_line.closed:
                happen(stage, *what)

        at_s = 0.001
        for after_s, what in events:
            at_s += after_s
            stage.at(at_s, do, *what)
        end = await stage.run()
        over = True
        await asyncio.wait_for(asyncio.gather(*stage.commands), 0.1)
        return stage, end

    logging.disable(logging.CRITICAL)
    try:
        stage, end = virtual_time.run(main())
    finally:
        logging.disable(logging.NOTSET)
    gc.collect()

    assert stage.now_s() <= MAX_DURATION_S + AFTER_CALL_S + 2.1
    assert CallEnded not in raised[:-1] or again
    if end.error is not None:
        assert end.end_reason is EndReason.FAILED
        assert end.error.code in ("audio_lost", "speech_failed", "no_media")
    assert not (end.transferred and end.still_up)
    assert (end.message_delivered is None) or action == "leave_message"
    said = [turn for turn in stage.notes.turns if turn.speaker == Speaker.AGENT]
    heard = [turn for turn in stage.notes.turns if turn.speaker == Speaker.CALLEE]
    spoken = [turn for turn in heard if not turn.text.startswith("[")]  # keys are pressed while somebody speaks
    for turns in (said, spoken):
        assert all(one.end_ms <= other.start_ms for one, other in pairwise(turns))
    starts = [turn.start_ms for turn in stage.notes.turns]
    assert starts == sorted(starts)
    assert all(turn.text for turn in heard)
