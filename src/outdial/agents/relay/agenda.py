"""What a relay agent's server wants done, in its order: words that may still be coming, sound files, keys, the end."""

import asyncio
from collections import deque
from collections.abc import Callable

from outdial.agents.brains.files import File
from outdial.agents.brains.words import Words
from outdial.agents.relay.definition import RelayAgent
from outdial.agents.relay.protocol import End, Play, SendDigits, TextToken

MOST_QUEUED = 200  # things to do that a server may be ahead; further ones are refused

Item = Words | File | SendDigits | End


class Agenda:
    """`refuse` is told why something isn't taken. `makes_way` is set while something waits that takes the place of what
    is done just now, where that is preemptible. `marks_ends`: the server has ended something with `last`.
    `language`: of what it says, where that doesn't say so itself."""

    def __init__(self, agent: RelayAgent, refuse: Callable[[str], object]) -> None:
        self.makes_way = asyncio.Event()
        self.marks_ends = False
        self.language = agent.language
        self._agent = agent
        self._refuse = refuse
        self._items: deque[Item] = deque()
        self._doing: Item | None = None
        self._open: Words | None = None  # what the server is saying

    def __bool__(self) -> bool:
        return bool(self._items)

    def next(self) -> Item:
        """To be done now. Only where there is something."""
        self._doing = self._items.popleft()
        self.makes_way.clear()
        if any(_replaces(one, self._doing) for one in self._items):
            self.makes_way.set()
        return self._doing

    def take_text(self, piece: TextToken) -> bool:
        """False for an end alone: the server has nothing to say."""
        if self._open is not None and piece.token and piece.lang not in (None, self._open.language):
            self.end_open()
        if self._open is None or self._open.is_whole:
            if not piece.token and piece.last:
                self.marks_ends = True
                return False
            words = Words(
                interruptible=_or(piece.interruptible, self._agent.interruptible),
                preemptible=_or(piece.preemptible, self._agent.preemptible),
                language=piece.lang or self.language,
            )
            if not self._put(words):
                return True
            self._open = words
        self._open.feed(piece.token)
        if piece.last:
            self.marks_ends = True
            self.end_open()
        return True

    def take_file(self, play: Play) -> File | None:
        """None where it isn't taken. It is preemptible only where its own message says so."""
        self.end_open()
        file = File(
            play.source,
            loop=play.loop,
            interruptible=_or(play.interruptible, self._agent.interruptible),
            preemptible=_or(play.preemptible, False),
        )
        return file if self._put(file) else None

    def take(self, item: SendDigits | End) -> None:
        self.end_open()
        self._put(item)

    def speak_in(self, language: str) -> None:
        """What comes from now on."""
        self.end_open()
        self.language = language

    def end_open(self) -> None:
        """Of what the server is saying nothing more will come."""
        if self._open is not None:
            self._open.end()
            self._open = None

    def interrupted(self) -> None:
        """The callee has the word: what the server had meant to say isn't said."""
        self.end_open()
        self._items = deque(one for one in self._items if isinstance(one, SendDigits | End))

    def clear(self) -> None:
        self._items.clear()
        self._open = None

    def _put(self, item: Item) -> bool:
        if len(self._items) >= MOST_QUEUED:
            self._refuse("Too much is waiting to be said")
            return False
        self._items.append(item)
        if self._doing is not None and _replaces(item, self._doing):
            self.makes_way.set()
        return True


def _replaces(later: Item, doing: Item) -> bool:
    """Whether it takes its place. Words and files do; keys and the end come after what is said, or is played once, but
    music that is played again and again would keep them waiting for good."""
    return isinstance(later, Words | File) or (isinstance(doing, File) and doing.loop > 1)


def _or(wanted: bool | None, otherwise: bool) -> bool:
    return otherwise if wanted is None else wanted
