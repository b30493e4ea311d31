"""Answering machine detection on a leg: a human or machine event, then what is heard of a machine's beep.

Source: developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection
"""

import asyncio

from outdial.media.frames import FRAME_MS
from outdial.simulator.callee_steps import Sound
from outdial.simulator.detection import BEEP_MS, Detector, Tuning, Verdict
from outdial.simulator.vonage import events
from outdial.simulator.vonage.call import Detection, PhoneLeg
from outdial.simulator.vonage.legs import LegStatus
from outdial.simulator.waiting import first_of

TUNING = Tuning(timeout_ms=5000)  # "up to 4 to 5 seconds"; unsure then, it says human
MACHINES = frozenset({Verdict.MACHINE_START, Verdict.FAX})


async def detect(live: PhoneLeg, detection: Detection) -> None:
    """Returns when there is nothing left to detect; a machine may have been hung up on."""
    ear = _Ear()
    live.phone_line.heard_by = ear.hear
    try:
        verdict = await ear.verdict
        machine = verdict in MACHINES
        live.call.answered_by = "machine" if machine else "human"
        _tell(live, live.call.answered_by)
        if not machine:
            return
        live.leg.status = LegStatus.MACHINE
        if detection.hang_up:
            live.hang_up()
        elif detection.beep:
            beeped = await first_of(ear.beep, at_most_s=detection.beep_timeout_s)
            _tell(live, "machine", "beep_start" if beeped else "beep_timeout")
    finally:
        live.phone_line.heard_by = None


def _tell(live: PhoneLeg, status: str, sub_state: str = "") -> None:
    live.post(events.DETECTION, events.detected(live.leg, live.now(), status, sub_state))


class _Ear:
    def __init__(self) -> None:
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.beep = asyncio.Event()
        self._detector = Detector(TUNING)
        self._beep_ms = 0

    def hear(self, sound: Sound) -> None:
        self._beep_ms = self._beep_ms + FRAME_MS if sound is Sound.BEEP else 0
        if self._beep_ms >= BEEP_MS:
            self.beep.set()
        if not self.verdict.done():
            verdict = self._detector.hear(sound)
            if verdict is not None:
                self.verdict.set_result(verdict)
