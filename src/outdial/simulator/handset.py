"""A phone that a person holds: a number of its own, a browser for its buttons and its sound, and one call at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from outdial.media import tones
from outdial.media.dtmf import KeyDetector
from outdial.media.frames import SILENT_FRAME, frames
from outdial.simulator.callee_steps import Sound
from outdial.simulator.callees import CALLEES, PREFIX, Reaction
from outdial.simulator.jitter_buffer import JitterBuffer
from outdial.simulator.phone import Ear

KEYS = "0123456789*#ABCD"
KEY_PAUSE_FRAMES = 5  # 100 ms between two digits
MAX_KEYED_FRAMES = 32 * (5 + 1 + KEY_PAUSE_FRAMES)  # nobody presses more digits ahead


class Browser(Protocol):
    """The page a handset is shown in. Nothing here waits or fails; a page that is too slow loses audio."""

    def tell(self, event: str, **facts: str) -> None: ...

    def play(self, frame: bytes) -> None: ...

    def replace(self) -> None:
        """Another page has become this handset."""
        ...


class State(StrEnum):
    NONE = "none"  # no browser: switched off
    FREE = "free"
    BUSY = "busy"


class Ended(StrEnum):
    """Why a call is over, as the person sees it."""

    HUNG_UP = "hung_up"  # by the person
    OTHER_SIDE_HUNG_UP = "other_side_hung_up"
    DECLINED = "declined"
    MISSED = "missed"              # the caller gave up, or rang long enough
    NOT_ANSWERED = "not_answered"  # the person's own call
    REFUSED = "refused"            # the person's own call, before anything rang


class Handset:
    """A subscriber of the network as the callees are, without a script."""

    id = "browser"

    def __init__(self, number: str) -> None:
        self.number = number
        self.browser: Browser | None = None
        self.call: HandsetCall | None = None

    @property
    def state(self) -> State:
        if self.call is not None:
            return State.BUSY
        return State.NONE if self.browser is None else State.FREE

    def connect(self, browser: Browser) -> None:
        """`browser` is this phone from now on. A ringing call goes on in it; a conversation ended with the old one."""
        if self.browser is not None:
            older = self.browser
            self.disconnect(older)
            older.replace()
        self.browser = browser
        browser.tell("ready", number=self.number)
        if self.call is not None and self.call.rings:
            self.call.ring_in(browser)

    def disconnect(self, browser: Browser) -> None:
        """Nothing happens when another one has taken its place."""
        if self.browser is browser:
            self.browser = None
            if self.call is not None:
                self.call.browser_gone()

    def begin(self, *, incoming: bool, other: str, carrier: str = "") -> "HandsetCall":
        """The person's side of a new call. The handset must not have another one."""
        assert self.call is None
        self.call = HandsetCall(self, incoming=incoming, other=other, carrier=carrier)
        return self.call


class Handsets:
    """Every number that is or was a browser's."""

    def __init__(self, default_number: str) -> None:
        self.default_number = default_number
        self._handsets = {default_number: Handset(default_number)}

    def at(self, number: str) -> Handset | None:
        return self._handsets.get(number)

    def open(self, number: str) -> Handset | None:
        """The handset with that number, a new one if need be; None for a number that can't be one."""
        if number not in self._handsets and is_free(number):
            self._handsets[number] = Handset(number)
        return self._handsets.get(number)

    def all(self) -> list[Handset]:
        return list(self._handsets.values())


def is_free(number: str) -> bool:
    """Whether a browser may take this number: +1202555 01NN, where NN is no callee's."""
    last = number.removeprefix(PREFIX)
    return number.startswith(PREFIX) and len(last) == 2 and last.isascii() and last.isdigit() and last not in CALLEES


class HandsetCall:
    """A handset's one call, from the first ring to the end; after the answer it is the `Phone` of a line."""

    def __init__(self, handset: Handset, *, incoming: bool, other: str, carrier: str) -> None:
        self.reaction: asyncio.Future[Reaction] = asyncio.get_running_loop().create_future()
        self.said = JitterBuffer()
        self.sound = Sound.SILENCE
        self.pressed: str | None = None
        self.hung_up = False
        self.heard_digits = ""
        self._handset = handset
        self._browser = handset.browser
        self._incoming = incoming
        self._other = other
        self._carrier = carrier
        self._connected = False
        self._ear = Ear()  # of the network: listens to the person
        self._keys = KeyDetector()
        self._keyed: deque[tuple[bytes, str | None]] = deque()
        self._end_line: Callable[[], None] | None = None

    @property
    def rings(self) -> bool:
        return self._incoming and not self.reaction.done()

    # -- what the person does

    def answer(self) -> None:
        self._react(Reaction.ANSWERS)

    def decline(self) -> None:
        self._react(Reaction.DECLINES)

    def hang_up(self) -> None:
        """While it rings, the same as to decline."""
        if self.rings:
            self.decline()
            return
        self.hung_up = True
        if self._end_line is not None:
            self._end_line()

    def press(self, digit: str) -> None:
        """A tone in the audio and an event at its end, like every phone's. Ignored before the answer."""
        if not self._connected or len(self._keyed) >= MAX_KEYED_FRAMES:
            return
        self._keyed.extend((frame, None) for frame in frames(tones.dtmf(digit)))
        self._keyed.append((SILENT_FRAME, digit))
        self._keyed.extend([(SILENT_FRAME, None)] * KEY_PAUSE_FRAMES)

    def say(self, frame: bytes) -> None:
        """20 ms from the microphone. Ignored before the answer."""
        if self._connected:
            self.said.push(frame)

    def browser_gone(self) -> None:
        """A phone that rings goes on ringing; a conversation is over."""
        self._browser = None
        if not self.rings:
            self.hang_up()

    # -- what the network does

    def ring_in(self, browser: Browser | None) -> None:
        self._browser = browser
        self._tell("ringing", **{"from": self._other, "carrier": self._carrier})

    def attach(self, end_line: Callable[[], None]) -> None:
        """`end_line` is called when the person hangs up, or has done so already."""
        self._end_line = end_line
        if self.hung_up:
            end_line()

    def end(self) -> None:
        """The call is over. The handset is free."""
        if self._handset.call is not self:
            return
        self._handset.call = None
        self._tell("ended", why=self._why())

    def refuse(self, detail: str) -> None:
        """There is nobody to connect the person with; `detail` says why."""
        self._handset.call = None
        self._tell("ended", why=Ended.REFUSED, detail=detail)

    # -- what a line does

    def frame(self) -> bytes:
        if not self._connected:
            self._connected = True
            self._tell("answered")
        said = self.said.pull()
        self.pressed = None
        if self._keyed:
            said, self.pressed = self._keyed.popleft()
            self.sound = Sound.DIGIT
            return said
        self._ear.hear(said)
        self.sound = Sound.SPEECH if self._ear.speaking else Sound.SILENCE
        return said

    def hear(self, frame: bytes) -> None:
        if self._browser is not None:
            self._browser.play(frame)
        if digit := self._keys.hear(frame):
            self.heard_digits += digit
            self._tell("digit", digit=digit)

    def _react(self, reaction: Reaction) -> None:
        if self.rings:
            self.reaction.set_result(reaction)

    def _why(self) -> Ended:
        if self.reaction.done() and not self.reaction.cancelled() and self.reaction.result() is Reaction.DECLINES:
            return Ended.DECLINED
        if self.hung_up:
            return Ended.HUNG_UP
        if self._connected:
            return Ended.OTHER_SIDE_HUNG_UP
        return Ended.MISSED if self._incoming else Ended.NOT_ANSWERED

    def _tell(self, event: str, **facts: str) -> None:
        if self._browser is not None:
            self._browser.tell(event, **facts)
