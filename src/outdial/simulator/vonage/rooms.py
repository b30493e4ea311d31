"""Named conversations: everybody in a room hears everybody else in it."""

import asyncio

from outdial.media.frames import SILENT_FRAME
from outdial.simulator.vonage.legs import new_conversation
from outdial.simulator.vonage.stage import mix


class Seat:
    """A phone's party while it is in a room."""

    def __init__(self, room: "Room", *, muted: bool) -> None:
        self.said = SILENT_FRAME
        self._room = room
        self._muted = muted

    def exchange(self, said: bytes) -> bytes:
        self.said = SILENT_FRAME if self._muted else said
        heard = SILENT_FRAME
        if self._room.started:
            for other in self._room.seats:
                if other is not self:
                    heard = mix(heard, other.said)
        return heard

    def press(self, digit: str) -> None:
        pass


class Room:
    def __init__(self) -> None:
        self.conversation_uuid = new_conversation()
        self.seats: list[Seat] = []
        self.started = False
        self.closed = asyncio.Event()


class Rooms:
    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], Room] = {}

    def enter(self, application_id: str, name: str, *, starts: bool, muted: bool) -> tuple[Room, Seat]:
        """The room of that name, opened for the first who enters."""
        room = self._rooms.setdefault((application_id, name), Room())
        room.started = room.started or starts
        seat = Seat(room, muted=muted)
        room.seats.append(seat)
        return room, seat

    def leave(self, room: Room, seat: Seat, *, ends: bool) -> None:
        """`ends`: everybody else must go, too."""
        room.seats.remove(seat)
        if ends or not room.seats:
            room.closed.set()
            self._rooms = {key: other for key, other in self._rooms.items() if other is not room}
