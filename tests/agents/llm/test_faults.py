"""Each of a model's faults at each moment of a turn: the callee is never left in silence, and the call goes on or ends
truthfully."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import pairwise

import pytest

from agents.llm.test_run import talk, told
from outdial.agents.llm.chat import CalleeSaid, ModelFailed, Piece, Request, ToolCall, Words
from outdial.conversation.transcript import Speaker
from outdial.conversation.understanding.language import language_of
from outdial.media.frames import FRAME_MS
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndedBy
from outdial.testing.written_model import calls

MOST_SILENCE_MS = 4000
TEXTS = language_of("en-US").texts
OURS_TO_BREAK = {TEXTS["still_there"], TEXTS["no_reply_goodbye"]}  # the silence before them was the callee's

Fault = Callable[[], AsyncGenerator[Piece]]


async def error() -> AsyncGenerator[Piece]:
    raise ModelFailed("server_error (HTTP 500)")
    yield


async def surprise() -> AsyncGenerator[Piece]:
    raise KeyError("choices")
    yield


async def silent() -> AsyncGenerator[Piece]:
    await asyncio.sleep(1e6)
    yield Words("")


async def stalled() -> AsyncGenerator[Piece]:
    await asyncio.sleep(2.9)
    yield Words(" It costs nothing.")


async def works_for_ever() -> AsyncGenerator[Piece]:
    while True:
        await asyncio.sleep(1.0)
        yield Words("")


async def trickles() -> AsyncGenerator[Piece]:
    while True:
        await asyncio.sleep(2.5)
        yield Words("a")


async def endless() -> AsyncGenerator[Piece]:
    while True:
        await asyncio.sleep(0.01)
        yield Words(" and so on, and so forth,")


async def over() -> AsyncGenerator[Piece]:
    return
    yield


async def nonsense() -> AsyncGenerator[Piece]:
    for text in ("\x00\ufffd <<|im_start|> ", "{{}}[[]]", "\u202e\u200b" * 50, "</think>", "~~~"):
        yield Words(text)


async def undeclared() -> AsyncGenerator[Piece]:
    yield ToolCall("", "open_door", "{}")


async def broken_arguments() -> AsyncGenerator[Piece]:
    yield ToolCall("", "hang_up", '{"goodbye": "Goo')


async def wrong_arguments() -> AsyncGenerator[Piece]:
    yield ToolCall("", "transfer", '{"to": ["+12025550199"]}')


async def many_calls() -> AsyncGenerator[Piece]:
    for number in range(500):
        yield calls("send_digits", digits=f"{number}")


FAULTS = (
    error, surprise, silent, stalled, works_for_ever, trickles, endless, over, nonsense, undeclared, broken_arguments,
    wrong_arguments, many_calls,
)  # fmt: skip

MOMENTS = {
    "before the first token": (),
    "in a sentence": ("You can park behind",),
    "while we speak": ("You can park behind the house. ", 0.8),
    "while the callee speaks": ("You can park behind the house, and then you go up to the second floor. ", 1.6),
    "in a tool call": ("", 1.0, ""),
}


class Faulty:
    """Has one fault, so many times, and else does what it is to."""

    name = "faulty"

    def __init__(self, fault: Fault = over, before: tuple[str | float, ...] = (), times: int = 0) -> None:
        self.left = times
        self.running = 0
        self._fault = fault
        self._before = before

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        self.running += 1
        try:
            await asyncio.sleep(0.2)
            if self.left:
                self.left -= 1
                for part in self._before:
                    if isinstance(part, str):
                        yield Words(part)
                    else:
                        await asyncio.sleep(part)
                async with aclosing(self._fault()) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            last = next((one.text for one in reversed(request.messages) if isinstance(one, CalleeSaid)), "")
            if last.startswith("No"):
                yield calls("hang_up", goodbye="Goodbye!", outcome="confirmed")
            else:
                yield Words("That is fine. Anything else?")
        finally:
            self.running -= 1

    async def warm_up(self) -> None: ...


def heard_spans(phone) -> list[tuple[int, int]]:
    """When the callee heard our voice, in ms on the call clock; pauses between sentences are no silence."""
    spans: list[tuple[int, int]] = []
    for at, frame in phone._line.ear():
        if any(frame):
            at_ms = phone._session.media_line.ms_at(at)
            begun_ms = spans.pop()[0] if spans and at_ms - spans[-1][1] < 500 else at_ms
            spans.append((begun_ms, at_ms + FRAME_MS))
    return spans


def silences_ms(phone) -> list[int]:
    """Of ours, as the callee heard them: from the end of their words, or of ours, to our next ones."""
    spoken = heard_spans(phone)
    theirs = [turn for turn in phone.turns.values() if turn.speaker == Speaker.CALLEE]
    found = [
        min((begun for begun, _ in spoken if begun >= turn.end_ms), default=turn.end_ms) - turn.end_ms
        for turn in theirs
    ]
    broken = {turn.start_ms for turn in phone.turns.values() if turn.text in OURS_TO_BREAK}
    for (_, ended), (begun, _) in pairwise(spoken):
        theirs_between = any(ended <= turn.start_ms < begun for turn in theirs)
        if not theirs_between and not any(abs(begun - at) < 100 for at in broken):
            found.append(begun - ended)
    return found


CASES = [
    *((case, moment) for case in ("with a fallback", "always") for moment in MOMENTS),
    *(("once", moment) for moment in ("in a sentence", "while the callee speaks")),
]


@pytest.mark.parametrize(("case", "moment"), CASES)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nobody_is_left_in_silence(fault, moment, case):
    first = Faulty(fault, MOMENTS[moment], times=1 if case == "once" else 1000)
    models = [first, Faulty()] if case == "with a fallback" else [first]
    def callee(phone):
        phone.says("Yes, where can I park?", after="Tuesday")
        if moment == "while the callee speaks":
            phone.says("Sorry, where is that?", after="You can park", over=True, pause_s=1.5)
        phone.says("No, thank you.", after="nything else")

    phone, end = talk(models, callee)
    assert max(silences_ms(phone)) < MOST_SILENCE_MS
    assert [model.running for model in models] == [0] * len(models)
    assert phone.transferred_to == []
    if end.error is not None:
        assert end.error.code == FailureCode.AGENT_FAILED
        assert phone.lines[-1] == f"agent: {TEXTS['agent_failed']}"
        assert case != "with a fallback"
        assert told(phone, "model_failed")
    elif case == "once" or fault is not endless:
        assert end.ended_by is EndedBy.AGENT, "and not by the longest a call may last"
