"""Named conversations, which are conferences: everybody in one hears everybody else in it."""

import asyncio

from outdial.media.frames import SILENT_FRAME
from outdial.simulator.vonage.audio import mix
from outdial.simulator.vonage.legs import new_conversation


class Participant:
    """A phone's party while it is in a conference."""

    def __init__(self, conference: "Conference", *, muted: bool) -> None:
        self.said = SILENT_FRAME
        self._conference = conference
        self._muted = muted

    def exchange(self, said: bytes) -> bytes:
        self.said = SILENT_FRAME if self._muted else said
        heard = SILENT_FRAME
        if self._conference.started:
            for other in self._conference.participants:
                if other is not self:
                    heard = mix(heard, other.said)
        return heard

    def press(self, digit: str) -> None:
        pass


class Conference:
    def __init__(self) -> None:
        self.conversation_uuid = new_conversation()
        self.participants: list[Participant] = []
        self.started = False
        self.over = asyncio.Event()


class Conferences:
    def __init__(self) -> None:
        self._conferences: dict[tuple[str, str], Conference] = {}

    def enter(
        self, application_id: str, name: str, *, starts: bool, muted: bool
    ) -> tuple[Conference, Participant]:
        """The conference of that name, opened for the first who enters."""
        conference = self._conferences.setdefault((application_id, name), Conference())
        conference.started = conference.started or starts
        participant = Participant(conference, muted=muted)
        conference.participants.append(participant)
        return conference, participant

    def leave(self, conference: Conference, participant: Participant, *, ends: bool) -> None:
        """`ends`: everybody else must go, too."""
        conference.participants.remove(participant)
        if ends or not conference.participants:
            conference.over.set()
            self._conferences = {key: other for key, other in self._conferences.items() if other is not conference}
