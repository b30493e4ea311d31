"""What is left of calls that a model led, whatever went wrong in them: nothing. Its long form goes through the whole
product: `python -m bench --only llm_leaks`."""

import asyncio
import gc
import random
import weakref
from collections import deque

from agents.llm.test_faults import FAULTS, MOMENTS, Faulty, endless
from agents.llm.test_run import AGENT
from outdial.agents.llm.talking import Talking
from outdial.conversation.session import Session
from outdial.media.frames import FRAME_BYTES
from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run

CALLS = 40


def _is_audio(kept: object) -> bool:
    """Whether it is a frame, or one with its time in ms."""
    match kept:
        case (bytes() as frame) | (int(), bytes() as frame):
            return len(frame) == FRAME_BYTES
    return False


def test_nothing_is_left_of_calls_with_faults(monkeypatch):
    made: list[weakref.ref[object]] = []

    def noted(kept, init):
        def make(self, *given, **named):
            made.append(weakref.ref(self))
            init(self, *given, **named)

        monkeypatch.setattr(kept, "__init__", make)

    noted(Session, Session.__init__)
    noted(Talking, Talking.__init__)
    rolled = random.Random(20261130)
    models = [
        Faulty(fault, rolled.choice(list(MOMENTS.values())), times=rolled.choice([1, 1000]))
        for fault in rolled.choices([fault for fault in FAULTS if fault is not endless], k=CALLS)
    ]

    async def one(number: int) -> None:
        await asyncio.sleep(number * 0.05)
        source = AGENT + ("think_ahead: true\n" if number % 2 else "")
        phone = Phone(source, models=[models[number], Faulty()] if number % 3 else [models[number]])
        phone.says("Yes, where can I park?", after="Tuesday")
        if number % 4 == 0:
            phone.hangs_up(over=True, pause_s=number / 10)
        elif number % 4 == 1:
            phone.says("Sorry, where is that?", over=True, pause_s=number / 10)
        phone.says("No, thank you.", after="nything else")
        await phone.talk()

    async def calls() -> set[str]:
        await asyncio.gather(*(one(number) for number in range(CALLS)))
        await asyncio.sleep(1.0)
        return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

    gc.disable()
    try:
        assert run(calls()) == set()
        assert [model.running for model in models] == [0] * CALLS
        # What was a call's is let go of by the collector, at some time, but its audio at once.
        assert [one for one in gc.get_objects() if isinstance(one, deque) and any(map(_is_audio, one))] == []
    finally:
        gc.enable()
    gc.collect()
    assert len(made) == 2 * CALLS
    assert [one() for one in made if one() is not None] == []
