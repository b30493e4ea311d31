"""The record action: a WAV of what was said, reported when it ends."""

import asyncio
import io
import wave
from datetime import datetime

import numpy as np

from outdial.media import tones
from outdial.media.frames import FRAME_MS, SAMPLE_RATE_HZ
from outdial.simulator.phone import is_loud
from outdial.simulator.vonage import events
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.call import PhoneLeg
from outdial.simulator.vonage.legs import new_uuid
from outdial.simulator.vonage.ncco import Record
from outdial.simulator.vonage.webhooks import Webhook

MAX_RECORDED_MS = 600_000  # what this simulator keeps; Vonage records up to two hours


class Recorder:
    """A audio.Listener. `done` is set when the action's own condition ends the recording."""

    def __init__(self, action: Record) -> None:
        self.done = asyncio.Event()
        self._action = action
        self._said: list[bytes] = []
        self._heard: list[bytes] = []
        self._silent_ms = 0

    def add(self, said: bytes, heard: bytes) -> None:
        if self.recorded_ms < MAX_RECORDED_MS:
            self._said.append(said)
            self._heard.append(heard)
        self._silent_ms = 0 if is_loud(said) or is_loud(heard) else self._silent_ms + FRAME_MS
        action = self._action
        if (action.time_out and self.recorded_ms >= action.time_out * 1000) or (
            action.end_on_silence and self._silent_ms >= action.end_on_silence * 1000
        ):
            self.done.set()

    def key(self, digit: str) -> None:
        if digit == self._action.end_on_key:
            self.done.set()

    @property
    def recorded_ms(self) -> int:
        return len(self._said) * FRAME_MS

    def wav(self) -> bytes:
        said = np.frombuffer(b"".join(self._said), dtype="<i2")
        heard = np.frombuffer(b"".join(self._heard), dtype="<i2")
        stereo = self._action.split is not None
        if stereo:
            samples = np.column_stack((said, heard))
        else:
            samples = np.clip(said.astype(np.int32) + heard, -32768, 32767).astype("<i2")
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(2 if stereo else 1)
            out.setsampwidth(2)
            out.setframerate(SAMPLE_RATE_HZ)
            out.writeframes(samples.tobytes())
        return file.getvalue()


async def record(account: VonageAccount, live: PhoneLeg, action: Record) -> None:
    """Until the action's condition is met; without one, until this is cancelled at the end of the call."""
    if action.beep_start:
        await live.audio.play(tones.beep())
    recorder, start = Recorder(action), live.now()
    live.audio.listeners.add(recorder)
    live.audio.on_key.add(recorder.key)
    try:
        await recorder.done.wait()
    finally:
        live.audio.listeners.discard(recorder)
        live.audio.on_key.discard(recorder.key)
        _report(account, live, action, recorder, start)


def _report(
    account: VonageAccount, live: PhoneLeg, action: Record, recorder: Recorder, start: datetime
) -> None:
    wav = recorder.wav()
    file_id = account.keep_recording(wav)
    webhook = Webhook(url=action.event_url[0], method=action.event_method) if action.event_url else None
    body = events.recorded(
        live.leg,
        live.now(),
        url=f"{account.region_url}/v1/files/{file_id}",
        recording_uuid=new_uuid(),
        size=len(wav),
        start=start,
    )
    live.post(events.OTHER, body, webhook)
