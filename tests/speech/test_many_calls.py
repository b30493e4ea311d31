"""Hundreds of calls with a vendor's voice, some cut off, some failing: nothing is left of them."""

import asyncio
import gc
from contextlib import aclosing

import pytest

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.speech.fallback import CallVoice
from speech.synthesis.in_memory import WordVoice
from speech.synthesis.test_conformance import CASES, stream
from speech.test_fallback import Own
from virtual_time import run

CALLS = 500
FAILING = tuple(
    Fault(kind=FaultKind(f"voice_{kind}"), probability=0.03, after_ms=300, delay_s=10.0)
    for kind in ("cut", "closed", "stalled", "garbled", "slow", "no_end", "busy")
)


async def one_call(number, voice, own):
    await asyncio.sleep(number * 0.05)
    call = CallVoice(voice, own, lambda replaced: None)
    try:
        for text in ("Good morning. ", "When would it suit you? ", "Goodbye. "):
            async with aclosing(call.speak_all(stream(text), lambda words: None)) as audio:
                async for _ in audio:
                    if number % 3 == 0:
                        break
    finally:
        call.leave()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.vendor)
def test_nothing_is_left_of_many_calls(case):
    async def main():
        memory = case.memory(WordVoice(), Faults(FAILING))
        voice, own = case.voice(memory), Own(memory.speak)
        await asyncio.gather(*(one_call(number, voice, own) for number in range(CALLS)))
        await asyncio.sleep(30)
        assert memory.open_sockets == voice.open_sockets == 0
        await voice.aclose()
        await memory.aclose()
        await asyncio.sleep(0)
        gc.collect()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    run(main())
