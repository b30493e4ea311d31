"""Answering machine detection on a call, and its callback."""

import asyncio

from outdial.simulator.callee_steps import Sound
from outdial.simulator.detection import Detector, Verdict
from outdial.simulator.twilio.call import TwilioCall


async def detect(live: TwilioCall) -> str:
    """Listen to how the answering side begins; the verdict, in Twilio's words, also goes into the call."""
    detection, line = live.wishes.detection, live.phone_line
    assert detection is not None
    detector = Detector(detection.tuning)
    decided: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def listen(sound: Sound) -> None:
        verdict = detector.hear(sound)
        if verdict is not None:
            line.heard_by = None
            if not decided.done():
                decided.set_result(verdict)

    line.heard_by = listen
    verdict = await decided
    live.call.answered_by = verdict
    if detection.in_parallel:
        live.callbacks.post(
            "amd",
            detection.url,
            detection.method,
            {
                "AccountSid": live.call.account,
                "CallSid": live.call.id,
                "AnsweredBy": verdict,
                "MachineDetectionDuration": str(detector.elapsed_ms),
            },
        )
    return verdict

