"""When what happened in a turn: from the callee's last word to the agent's last one that was heard."""

from collections.abc import Callable, Mapping

from outdial.conversation.playback import Playback
from outdial.conversation.transcript import ReplyTimes
from outdial.conversation.verb_results import Thought


class TurnTimes:
    """Of a turn of the agent's that answers the callee. All in ms on the call clock; None is what didn't happen.

    `ended_ms` is the callee's last word (or key), `decided_ms` our decision that it was the last, `text_ms` when its
    words were known; `first_token_ms` and `first_sentence_ms` are a model's; `first_audio_ms` is the speech engine's,
    `first_frame_ms` left for the callee, who had heard all of it at `played_ms`, by the carrier's word.
    """

    def __init__(
        self,
        reply: ReplyTimes,
        text: object,
        now_ms: Callable[[], int],
        ms_at: Callable[[float], int],
    ) -> None:
        """`text`: what is said; a Thought knows its times. `ms_at`: the call clock at an instant of the loop's."""
        self._now_ms = now_ms
        self._first_audio_ms: int | None = None
        self._before: dict[str, int | None] = {
            "ended_ms": reply.ended_ms,
            "decided_ms": reply.decided_ms,
            "text_ms": reply.recognised_ms,
        }
        thought = text if isinstance(text, Thought) else None
        token_at, sentence_at = (thought.first_token_at, thought.first_sentence_at) if thought else (None, None)
        self._before["first_token_ms"] = None if token_at is None else ms_at(token_at)
        self._before["first_sentence_ms"] = None if sentence_at is None else ms_at(sentence_at)

    def audio(self) -> None:
        """The speech engine gave some."""
        if self._first_audio_ms is None:
            self._first_audio_ms = self._now_ms()

    def told(self, playback: Playback, *, whole: bool) -> Mapping[str, int | None]:
        """Of one that is done, `whole` when nothing of it was left out."""
        played_ms = playback.end_ms if whole and playback.complete else None
        after = {"first_audio_ms": self._first_audio_ms, "first_frame_ms": playback.start_ms, "played_ms": played_ms}
        return self._before | after
