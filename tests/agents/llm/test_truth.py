"""Whatever the callee does and the model fails at, and whenever: what is believed to have been said was heard, and what
was decided once is done once at most."""

import asyncio
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.llm.test_run import AGENT, GOODBYE, talk, told
from outdial.agents.llm.chat import AgentSaid, ToolAnswer
from outdial.agents.llm.history import DONE, INTERRUPTED
from outdial.conversation.transcript import Speaker
from outdial.conversation.understanding.language import language_of
from outdial.media.frames import FRAME_MS
from outdial.testing.engines import MS_PER_CHAR
from outdial.testing.written_model import After, Fails, WrittenModel, calls

ONE_MOMENT = language_of("en-US").texts["one_moment"]
SENTENCES = ("You will see the doctor first.", "Then you go up to the radiology department.", "Bring your card along!",
             "It takes about three quarters of an hour, sometimes less.")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The model's answer, and when (s, into it) the callee interrupts; None: it is heard to its end."""

    sentences: int
    presses: bool
    fault: object
    into_s: float | None
    goes_on: bool  # the callee stops in its next words, and goes on


TURNS = st.lists(
    st.builds(
        Turn,
        sentences=st.integers(1, 4),
        presses=st.booleans(),
        fault=st.sampled_from([None, None, Fails(), After(2.7), After(5.0)]),
        into_s=st.none() | st.integers(0, 90).map(lambda tenths: tenths / 10),
        goes_on=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def answer_of(number: int, turn: Turn) -> list:
    said = [f" {sentence}" for sentence in SENTENCES[: turn.sentences]]
    parts: list = [f"Number {number} now.", *said]
    if turn.fault is not None:
        parts.insert(1 + len(said) // 2, turn.fault)
    return [*parts, *([calls("send_digits", digits="1" * (number + 1))] if turn.presses else [])]


def callee(phone, turns):
    phone.says("Yes, we are coming.", after="Tuesday")
    for number, turn in enumerate(turns):
        over = turn.into_s is not None
        words = "Sorry, what about the weather?"
        phone.says(words, after=f"Number {number}", over=over, pause_s=turn.into_s if over else 0.6)
        if turn.goes_on:
            phone._loop.create_task(go_on(phone, number))


async def go_on(phone, number):
    """In the middle of the end that is waited for."""
    while phone._recogniser.started <= number + 1:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.35)
    phone._say("On Friday, I mean.", None)


@given(turns=TURNS, ahead=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_what_is_believed_was_heard_and_what_is_decided_is_done_once(turns, ahead):
    model = WrittenModel([*(answer_of(number, turn) for number, turn in enumerate(turns)), *[GOODBYE] * 9])
    source = AGENT + ("think_ahead: true\n" if ahead else "")
    phone, _ = talk([model], lambda phone: callee(phone, turns), source=source)
    check_history(phone, model)
    check_ear(phone)
    pressed = [data["count"] for data in told(phone, "digits_sent")]
    assert len(pressed) == len(set(pressed)), "each decision has its own number of keys"
    done = [one["arguments"]["count"] for one in told(phone, "tool") if one["tool"] == "send_digits" and one["done"]]
    assert pressed == done[: len(pressed)]
    assert len(done) - len(pressed) <= 1, "the last one, when the call ended in it"
    answers = [one for one in model.asked[-1].messages if isinstance(one, ToolAnswer)]
    assert len({one.call.id for one in answers}) == len(answers)
    assert {one.text for one in answers} <= {DONE, INTERRUPTED}
    assert model.running == 0


def check_history(phone, model):
    """The model was told what the transcript has, word for word."""
    believed = " ".join(one.text for one in model.asked[-1].messages if isinstance(one, AgentSaid))
    written = " ".join(turn.text for _, turn in sorted(phone.turns.items()) if turn.speaker == Speaker.AGENT)
    assert written.replace(ONE_MOMENT, "").split()[: len(believed.split())] == believed.split()


def check_ear(phone):
    """What is written down as heard is what was played, to a word."""
    ear = [(phone._session.media_line.ms_at(at), any(frame)) for at, frame in phone._line.ear()]
    longest = max(len(word) for sentence in SENTENCES for word in sentence.split()) + 1
    for turn in phone.turns.values():
        if turn.speaker != Speaker.AGENT or turn.end_ms is None or ONE_MOMENT in turn.text:
            continue
        heard_ms = sum(FRAME_MS for at, loud in ear if loud and turn.start_ms <= at < turn.end_ms)
        slack_ms = longest * MS_PER_CHAR + 3 * FRAME_MS
        assert len(turn.text) * MS_PER_CHAR <= heard_ms + slack_ms
        if turn.interrupted:
            assert len(turn.text) * MS_PER_CHAR >= heard_ms - slack_ms - 4 * 220
