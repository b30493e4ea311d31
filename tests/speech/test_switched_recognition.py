"""The recognition of a call that goes on with another engine."""

import asyncio

from outdial.speech.switched_recognition import LAST_WORDS_S, SwitchedRecognition
from outdial.testing import run


class Call:
    """A CallRecognition that keeps what it is given."""

    def __init__(self, name):
        self.name = name
        self.changed = lambda: None
        self.heard_ms, self.began_ms = [], []
        self.is_closed = False

    def audio(self, pcm, at_ms):
        assert not self.is_closed
        self.heard_ms.append(at_ms)

    def recognition(self, since_ms):
        self.began_ms.append(since_ms)
        return self

    def told(self, quiet_since_ms):
        return self.name

    async def aclose(self):
        self.is_closed = True


def heard(call, *at_ms):
    for one in at_ms:
        call.audio(b"", one)


def test_an_utterance_is_heard_to_its_end_by_the_engine_that_heard_its_beginning():
    async def main():
        first, second = Call("first"), Call("second")
        call = SwitchedRecognition(first)
        assert call.recognition(0) is first
        heard(call, 20)
        call.switch(second)
        heard(call, 40)
        assert (call.told(40), first.heard_ms, second.heard_ms) == ("first", [20, 40], [40])
        assert call.recognition(50) is second
        heard(call, 60)
        assert (call.told(60), first.heard_ms, second.heard_ms) == ("second", [20, 40], [40, 60])
        assert not first.is_closed, "its last words may still be asked for"
        await asyncio.sleep(LAST_WORDS_S + 1)
        assert first.is_closed
        await call.aclose()
        assert second.is_closed

    run(main())


def test_whoever_listens_is_told_by_both_until_the_utterance_is_over_and_then_by_one():
    async def main():
        first, second, told = Call("first"), Call("second"), []
        call = SwitchedRecognition(first)
        call.changed = lambda: told.append(1)
        call.recognition(0)
        call.switch(second)
        first.changed()
        second.changed()
        assert len(told) == 2
        call.recognition(50)
        first.changed()
        second.changed()
        assert len(told) == 3
        await call.aclose()

    run(main())


def test_all_are_closed_with_the_call_also_those_that_heard_nothing():
    async def main():
        calls = [Call(f"{number}") for number in range(4)]
        call = SwitchedRecognition(calls[0])
        call.recognition(0)
        for one in calls[1:]:
            call.switch(one)
        call.recognition(50)
        assert calls[3].began_ms == [50]
        await call.aclose()
        assert all(one.is_closed for one in calls)

    run(main())
