"""What a realtime model says on a call: item after item, each played once the one before was heard, and what was heard
of each."""

from collections import deque
from dataclasses import dataclass

from outdial.agents.realtime import protocol
from outdial.conversation.straight_audio import MOST_MS, Answers, Speech, StraightAudio

KEPT = 50            # items that are over, or wait
MOST_CHARS = 20_000  # of one item's words


@dataclass(slots=True)
class Said:
    """`session`: that which knows the item, by its number."""

    item: str
    response: str
    session: int
    speech: Speech


class Mouth:
    """Of one call."""

    def __init__(self) -> None:
        self._waiting: deque[Said] = deque()
        self._playing: Said | None = None
        self._over: deque[str] = deque(maxlen=KEPT)  # items of which nothing more is said
        self.heard: deque[Said] = deque()  # that are over, for whoever writes down what was heard

    @property
    def is_silent(self) -> bool:
        """Whether nothing is being said, nor about to be."""
        return self._playing is None and not any(one.speech.fed_ms for one in self._waiting)

    @property
    def is_starved(self) -> bool:
        """Whether more of what is being said is waited for."""
        return self._playing is not None and self._playing.speech.is_starved

    def feed(self, audio: protocol.Audio, pcm: bytes, session: int, answers: Answers | None) -> bool:
        """False where it is too much."""
        speech = self._speech(audio.item, audio.response, session, answers)
        if speech is None:
            return True
        return sum(one.speech.fed_ms for one in self._waiting) <= MOST_MS and speech.feed(pcm)

    def words(self, words: protocol.Words, session: int, answers: Answers | None) -> None:
        speech = self._speech(words.item, words.response, session, answers)
        if speech is not None:
            speech.text = (words.text if words.whole else speech.text + words.text)[:MOST_CHARS]

    def finish(self, item: str) -> None:
        for one in self._all():
            if one.item == item:
                one.speech.finish()

    def finish_response(self, response: str | None = None) -> None:
        """Nothing more comes of it (None: of any)."""
        for one in self._all():
            if response in (None, one.response):
                one.speech.finish()

    def pump(self, line: StraightAudio) -> None:
        """Write down what is over, and play what is next."""
        self.settle()
        while self._playing is None and self._waiting:
            if self._waiting[0].speech.fed_ms:
                self._playing = self._waiting.popleft()
                line.speak(self._playing.speech)
            elif self._waiting[0].speech.is_whole:  # words without audio
                self._waiting.popleft()
            else:
                return

    def settle(self) -> None:
        if self._playing is not None and self._playing.speech.is_done:
            self.heard.append(self._playing)
            self._over.append(self._playing.item)
            self._playing = None

    def cut(self, line: StraightAudio, session: int) -> list[str]:
        """The callee takes the floor; what the server is to be told of it."""
        told = []
        line.cut()
        playing = self._playing
        self.settle()
        if playing is not None and playing.session == session and playing.speech.interrupted:
            heard_ms = min(playing.speech.played_ms, playing.speech.fed_ms)
            told.append(protocol.truncate(playing.item, heard_ms) if heard_ms else protocol.delete(playing.item))
        told += [protocol.delete(one.item) for one in self._waiting if one.session == session]
        self._over.extend(one.item for one in self._waiting)
        self._waiting.clear()
        return told

    def _all(self) -> list[Said]:
        return [*(() if self._playing is None else (self._playing,)), *self._waiting]

    def _speech(self, item: str, response: str, session: int, answers: Answers | None) -> Speech | None:
        if item in self._over:
            return None
        for one in self._all():
            if one.item == item:
                return one.speech
        if len(self._waiting) >= KEPT:
            return None
        speech = Speech(answers)
        self._waiting.append(Said(item, response, session, speech))
        return speech
