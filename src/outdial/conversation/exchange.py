"""Whether the callee has answered us, as a person does and a machine's greeting doesn't. Pure.

A greeting is speech, too, and may begin just after our first words. But it talks on: over our next words, or for longer
than people do. So the callee has answered when it has pressed a key that was asked for, or has replied to us and then

- listened to our next words for `QUIET_MS` (where we would have heard it talk), or
- replied to other words of ours as well.

A reply begins after our words were heard, and lasts no longer than `LONGEST_REPLY_MS`.
"""

from collections.abc import Callable

LONGEST_REPLY_MS = 5500  # without an end; from then on it is more often a machine that talks
QUIET_MS = 2000          # between two sentences of a greeting it is quiet for a shorter time
EARLY_MS = 300           # people begin a little early, and a barge-in is noticed a little late
ONSET_MS = 200           # where we were deaf meanwhile, who begins at once has been talking all along


class Exchange:
    """Of one call: `on_answered` is called once. Times are ms on the call clock."""

    def __init__(self, on_answered: Callable[[], None]) -> None:
        self._on_answered: Callable[[], None] | None = on_answered
        self._with_callee = True                        # and not with a service that stands before it
        self._speaking_since_ms: int | None = None      # we speak, and would hear the callee
        self._asked: tuple[int, int] | None = None      # our last words that were heard whole: from when a reply counts
        self.heard_whole: list[tuple[int, int]] = []    # all our words that were: their start, and from when …
        self._replied: tuple[int, int] | None = None    # the first reply: to the words that began then, and its end

    def begin_anew(self, *, with_callee: bool) -> None:
        """What was said so far was said to somebody else. Without the callee no words are a reply."""
        self._with_callee = with_callee
        self._asked = self._replied = None

    def speaking(self, start_ms: int, *, listening: bool) -> None:
        """We begin to speak. `listening`: we hear the callee meanwhile."""
        self._speaking_since_ms = start_ms if listening else None

    def check(self, now_ms: int) -> None:
        """While we speak: whether the callee has listened for long enough by now."""
        since_ms, replied = self._speaking_since_ms, self._replied
        if since_ms is not None and replied is not None and replied[1] <= since_ms <= now_ms - QUIET_MS:
            self._answered()

    def said(self, start_ms: int, end_ms: int, *, whole: bool) -> None:
        """We have spoken; not to the end, where the callee talked over us."""
        listened = self._speaking_since_ms is not None
        self.check(end_ms if whole else end_ms - EARLY_MS)
        self._speaking_since_ms = None
        if not whole:
            self._replied = None  # who talks on over our next words had not replied
        self._asked = (start_ms, end_ms - EARLY_MS if listened else end_ms + ONSET_MS) if whole else None
        if self._asked is not None:
            self.heard_whole.append(self._asked)

    def heard(self, start_ms: int, end_ms: int) -> None:
        """The callee said something that was understood."""
        if self._asked is None or not self._with_callee or end_ms - start_ms > LONGEST_REPLY_MS:
            return
        asked_ms, counts_from_ms = self._asked
        if start_ms < counts_from_ms:
            return
        if self._replied is None:
            self._replied = asked_ms, end_ms
        elif self._replied[0] != asked_ms:
            self._answered()

    def pressed(self) -> None:
        """The callee pressed a key that was asked for."""
        self._answered()

    def _answered(self) -> None:
        if self._on_answered is not None:
            on_answered, self._on_answered = self._on_answered, None
            on_answered()
