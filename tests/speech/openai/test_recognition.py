"""OpenAI's transcriptions: what is counted of them, and how far an answer is read."""

import httpx
import pytest

from outdial.simulator.faults import Fault, FaultKind
from outdial.speech.choice import RecognitionChoice
from outdial.speech.openai.recognition import MOST_ANSWER_BYTES, OpenAISpeechToText
from outdial.speech.vendor import Access
from outdial.speech.wire import failures
from speech.recognition.test_conformance import SENTENCE, VENDORS_CASES, key, on_call

[OPENAI] = [case for case in VENDORS_CASES if case.vendor == "openai"]


def counted_ms(*faults):
    async def work(world):
        await world.callee.hears_text(await world.callee.says(SENTENCE))
        return world.call.used().audio_ms

    return on_call(OPENAI, work, *faults)


def test_audio_is_counted_once_though_it_is_asked_for_twice():
    assert counted_ms(Fault(kind=FaultKind.HEARING_CUT, count=1)) == counted_ms() > 1000


@pytest.mark.parametrize("kind", [FaultKind.HEARING_UNAUTHORIZED, FaultKind.HEARING_ERROR, FaultKind.HEARING_CUT])
def test_audio_that_was_never_recognised_is_not_counted(kind):
    assert counted_ms(Fault(kind=kind)) == 0


class BodyWithoutEnd(httpx.AsyncByteStream):
    read_bytes = 0

    async def __aiter__(self):
        while True:
            self.read_bytes += 100_000
            yield b"{" * 100_000


class WithoutEnd(httpx.AsyncBaseTransport):
    """A server that answers for ever."""

    def __init__(self):
        self.bodies = []

    async def handle_async_request(self, request):
        self.bodies.append(BodyWithoutEnd())
        return httpx.Response(200, stream=self.bodies[-1])


async def test_an_answer_without_end_is_read_no_further_than_it_is_looked_at():
    choice = RecognitionChoice(vendor="openai", model="whisper-1")
    engine = OpenAISpeechToText(choice, Access(url="http://vendor.example/v1", key=key), "en-US")
    engine.transport = server = WithoutEnd()
    call = engine.call()
    recognition = call.recognition(0)
    recognition.feed(bytes(16_000))
    with pytest.raises(failures.VendorFailed) as failed:
        await recognition.text()
    await call.aclose()
    assert failed.value.fault is failures.Fault.UNREADABLE
    assert {body.read_bytes for body in server.bodies} == {MOST_ANSWER_BYTES}
