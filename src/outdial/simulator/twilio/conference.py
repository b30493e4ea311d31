"""`<Dial><Conference>`: a call is connected with the others in a room of its account."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from outdial.media.frames import FRAME_BYTES, SILENT_FRAME
from outdial.simulator.line import Nobody
from outdial.simulator.twilio import twiml
from outdial.simulator.twilio.call import TwilioCall


@dataclass(slots=True, eq=False)
class Participant:
    """A phone's peer while it is in a room: hears everybody else, once the conference has started."""

    room: "Room"
    said: bytes = SILENT_FRAME

    def exchange(self, said: bytes) -> bytes:
        self.said = said
        if not self.room.started:
            return SILENT_FRAME
        return _mix([other.said for other in self.room.participants if other is not self])

    def press(self, digit: str) -> None:
        pass


@dataclass(slots=True, eq=False)
class Room:
    """A conference; it starts once somebody who starts it is not alone."""

    participants: list[Participant] = field(default_factory=list)
    may_start: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def started(self) -> bool:
        return self.may_start and len(self.participants) > 1


async def confer(live: TwilioCall, verb: twiml.Conference) -> None:
    """Stay in the room until it ends."""
    rooms, line = live.shared.rooms, live.phone_line
    room = rooms.setdefault(verb.name, Room())
    room.may_start = room.may_start or verb.starts
    participant = Participant(room)
    room.participants.append(participant)
    line.peer = participant
    try:
        await room.over.wait()
    finally:
        line.peer = Nobody()
        room.participants.remove(participant)
        if verb.ends or not room.participants:
            room.over.set()
            if rooms.get(verb.name) is room:
                del rooms[verb.name]


def _mix(frames: list[bytes]) -> bytes:
    sounding = [frame for frame in frames if frame is not SILENT_FRAME]
    if len(sounding) < 2:
        return sounding[0] if sounding else SILENT_FRAME
    samples = np.zeros(FRAME_BYTES // 2, dtype=np.int32)
    for frame in sounding:
        samples += np.frombuffer(frame, dtype="<i2")
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()
