"""Audio frames that overtook each other, put back in order. A late one is waited for, but not for long. Pure."""

MAX_HELD = 5     # frames (100 ms): so long is waited for a missing one, while those after it arrive
MAX_BACK = 50    # numbers: further back isn't late, the carrier has begun to count anew


class JitterBuffer:
    """Orders frames by their numbers; bounded in size and, as frames come at a steady pace, in time."""

    __slots__ = ("_held", "_next")

    def __init__(self) -> None:
        self._next: int | None = None  # the number that is due
        self._held: dict[int, tuple[int, bytes]] = {}

    def put(self, number: int, timestamp_ms: int, pcm: bytes) -> tuple[int, bytes] | None:
        """What is due now: `pcm` and what had waited for it, with the first's timestamp. None: not yet, or late."""
        due = self._next
        if due is None or number < due - MAX_BACK:
            self._held.clear()
            due = number
        if number == due:
            self._next = number + 1
            return (timestamp_ms, pcm) if not self._held else self._with_waiting(timestamp_ms, pcm)
        if number < due:
            return None  # late or repeated; its place is gone
        self._held[number] = (timestamp_ms, pcm)
        if len(self._held) <= MAX_HELD:
            return None
        first = min(self._held)  # what is missing won't come
        self._next = first + 1
        return self._with_waiting(*self._held.pop(first))

    def _with_waiting(self, timestamp_ms: int, pcm: bytes) -> tuple[int, bytes]:
        frames = [pcm]
        assert self._next is not None
        while (waiting := self._held.pop(self._next, None)) is not None:
            frames.append(waiting[1])
            self._next += 1
        return timestamp_ms, b"".join(frames)
