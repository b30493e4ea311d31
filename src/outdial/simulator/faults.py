"""What can go wrong between a carrier, a model, a tool or a brain and whoever uses it, switched on one by one."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count


class FaultKind(StrEnum):
    CALLBACK_LOST = "callback_lost"
    CALLBACK_REPEATED = "callback_repeated"          # sent twice, with the same idempotency token
    CALLBACK_LATE = "callback_late"                  # by `delay_s`
    CALLBACK_REORDERED = "callback_reordered"        # sent after the one that should follow it
    REPLY_LOST = "reply_lost"                        # dialled, and the connection closes without a reply
    REPLY_AFTER_CALLBACK = "reply_after_callback"    # the first callback overtakes the reply
    THROTTLED = "throttled"                          # 429, nothing was done
    ERROR_BEFORE_DIALLING = "error_before_dialling"  # 503, nothing was done
    REDIRECTED = "redirected"                        # 307 to a dial, nothing was done
    LOOK_UP_ERROR = "look_up_error"                  # 503 to whoever asks for a call; it goes on
    HANG_UP_ERROR = "hang_up_error"                  # 503 to a hang-up, Retry-After: `delay_s`; the call goes on
    FORGOTTEN = "forgotten"                          # 404 to all about a call, and it is in no list; it goes on
    ERROR_AFTER_DIALLING = "error_after_dialling"    # 500, and the phone rings
    STREAM_CUT = "stream_cut"                        # the media connection breaks after `after_ms`
    STREAM_NEVER_STARTED = "stream_never_started"
    MEDIA_GARBLED = "media_garbled"                  # a message of no protocol on the stream, every `after_ms`
    MEDIA_REORDERED = "media_reordered"              # neighbouring frames change places (Telnyx)
    VERDICT_LATE = "verdict_late"                    # detection hears everything `delay_s` later
    TALK_BEHIND = "talk_behind"                      # for `after_ms`: detection takes whoever answers for a machine
    # A simulated model's: model/faults.py.
    MODEL_SLOW = "model_slow"                        # the reply begins after `delay_s`
    MODEL_SLOW_START = "model_slow_start"            # it begins, and `delay_s` later its first token comes
    MODEL_SLOW_TOKENS = "model_slow_tokens"          # `delay_s` before each token that follows the first `after_tokens`
    MODEL_STALLED = "model_stalled"                  # once, for `delay_s`, after `after_tokens`
    MODEL_CUT = "model_cut"                          # ends in due form after `after_tokens`, and isn't whole
    MODEL_RESET = "model_reset"                      # the connection breaks after `after_tokens`; 0: without a reply
    MODEL_THROTTLED = "model_throttled"              # 429, Retry-After: `delay_s`
    MODEL_OUT_OF_QUOTA = "model_out_of_quota"        # 429 that no waiting helps against
    MODEL_ERROR = "model_error"                      # `status`
    MODEL_ERROR_IN_STREAM = "model_error_in_stream"  # 200, and an error after `after_tokens`
    MODEL_BROKEN_CHUNK = "model_broken_chunk"        # what comes after `after_tokens` is no JSON
    MODEL_BROKEN_ARGUMENTS = "model_broken_arguments"  # a tool is called with half of its arguments: no JSON
    MODEL_WRONG_ARGUMENTS = "model_wrong_arguments"  # a tool is called with arguments that it doesn't have
    MODEL_UNDECLARED_TOOL = "model_undeclared_tool"  # `tool` is called, whether there is one or not
    MODEL_CALL_AS_TEXT = "model_call_as_text"        # a tool's call is written into the text
    MODEL_ENDLESS = "model_endless"                  # after `after_tokens` the last one comes again and again
    MODEL_NONSENSE = "model_nonsense"                # words without sense, in no language
    MODEL_EMPTY = "model_empty"                      # an answer that says nothing and calls nothing
    # Whatever else servers send that call themselves compatible: model/dialects.py.
    MODEL_BYTES_SPLIT = "model_bytes_split"          # seven bytes at a time, in the middle of letters, too
    MODEL_COMMENTS = "model_comments"                # lines that only keep the connection alive, between the events
    MODEL_NO_CHOICES = "model_no_choices"            # a chunk whose choices are null before each token
    MODEL_NO_ROLE = "model_no_role"                  # no first chunk with the role
    MODEL_NO_FINISH = "model_no_finish"              # no reason why it ended
    MODEL_NO_DONE = "model_no_done"                  # no [DONE]
    MODEL_NO_USAGE = "model_no_usage"                # nothing about tokens, although it was asked for
    MODEL_NOT_STREAMED = "model_not_streamed"        # a whole answer, although a stream was asked for
    MODEL_CALLS_WHOLE = "model_calls_whole"          # each call of a tool in one chunk, and why it ended in the last
    MODEL_CALLS_UNNUMBERED = "model_calls_unnumbered"  # the index of every call is 0
    MODEL_CALLS_UNNAMED = "model_calls_unnamed"      # the id of every call is empty
    MODEL_STOP_AFTER_CALLS = "model_stop_after_calls"  # "stop" instead of "tool_calls"
    # A simulated tool's: tools/faults.py. But for the first four, what it was asked for is done.
    TOOL_ERROR = "tool_error"                        # `status`, nothing was done
    TOOL_THROTTLED = "tool_throttled"                # 429, Retry-After: `delay_s`, nothing was done
    TOOL_REDIRECTED = "tool_redirected"              # 307, nothing was done
    TOOL_FAILED = "tool_failed"                      # it says that it can't, in due form; nothing was done
    TOOL_SLOW = "tool_slow"                          # the reply begins after `delay_s`
    TOOL_HANGS = "tool_hangs"                        # it never begins
    TOOL_RESET = "tool_reset"                        # the connection closes without a reply
    TOOL_CUT = "tool_cut"                            # half of the reply
    TOOL_ENDLESS = "tool_endless"                    # a reply without end, as fast as it is read
    TOOL_TRICKLES = "tool_trickles"                  # a byte each `delay_s`
    TOOL_EMPTY = "tool_empty"                        # a reply of nothing
    TOOL_BROKEN_JSON = "tool_broken_json"
    TOOL_NONSENSE = "tool_nonsense"                  # JSON of another kind
    TOOL_HOSTILE = "tool_hostile"                    # its texts tell the model to do what it must not
    # A simulated speech vendor's voice: speech/utterance.py.
    VOICE_UNAUTHORIZED = "voice_unauthorized"        # 401 to the handshake or request
    VOICE_THROTTLED = "voice_throttled"              # 429 to the same
    VOICE_ERROR = "voice_error"                      # `status` to the same
    VOICE_OUT_OF_QUOTA = "voice_out_of_quota"        # the vendor's error for it after `after_ms` of audio
    VOICE_BUSY = "voice_busy"                        # its error for too many at once, the same
    VOICE_SLOW = "voice_slow"                        # the first audio comes `delay_s` later
    VOICE_STALLED = "voice_stalled"                  # nothing comes after `after_ms` of audio; the connection stays
    VOICE_CUT = "voice_cut"                          # the connection breaks after `after_ms` of audio
    VOICE_CLOSED = "voice_closed"                    # it is closed in due form then, with `code`
    VOICE_GARBLED = "voice_garbled"                  # what comes then is of no protocol
    VOICE_NO_END = "voice_no_end"                    # all audio comes, and no word that it is all
    VOICE_LATE = "voice_late"                        # audio goes on for `after_ms` after it was cancelled
    VOICE_IDLE = "voice_idle"                        # the connection is closed with `code` `delay_s` after it opened
    # A simulated speech vendor's recognition: speech/hearing_faults.py.
    HEARING_UNAUTHORIZED = "hearing_unauthorized"    # 401 to the handshake or request
    HEARING_THROTTLED = "hearing_throttled"          # 429 to the same
    HEARING_ERROR = "hearing_error"                  # `status` to the same
    HEARING_SLOW = "hearing_slow"                    # the first words come `delay_s` after the connection opened
    HEARING_NO_FINAL = "hearing_no_final"            # words are guessed, and never said for good
    HEARING_STALLED = "hearing_stalled"              # nothing comes after `after_ms` of audio; the connection stays
    HEARING_CUT = "hearing_cut"                      # the connection breaks after `after_ms` of audio
    HEARING_CLOSED = "hearing_closed"                # it is closed in due form then, with `code`
    HEARING_TOLD = "hearing_told"                    # the same, after an error message: the account is empty
    HEARING_GARBLED = "hearing_garbled"              # what comes then is of no protocol
    HEARING_DISORDERED = "hearing_disordered"        # a guess comes once more after the words that are final
    # A simulated model of speech's: realtime/session.py.
    REALTIME_UNAUTHORIZED = "realtime_unauthorized"  # 401 to the handshake
    REALTIME_THROTTLED = "realtime_throttled"        # 429 to the same
    REALTIME_WRONG_FORMAT = "realtime_wrong_format"  # the session is set up with other audio than was asked for
    REALTIME_SLOW = "realtime_slow"                  # the first audio of an answer comes `delay_s` later
    REALTIME_SILENT = "realtime_silent"              # an answer begins, and nothing of it comes
    REALTIME_FAILED = "realtime_failed"              # an answer ends with the server's error
    REALTIME_CUT = "realtime_cut"                    # the connection breaks after `after_ms` of an answer's audio
    REALTIME_EXPIRED = "realtime_expired"            # instead of an answer the session has lasted too long
    REALTIME_NO_WORDS = "realtime_no_words"          # what the callee said isn't written down
    REALTIME_LATE = "realtime_late"                  # audio still comes after an answer was cancelled
    # A simulated brain's: brain/faults.py.
    BRAIN_REFUSED = "brain_refused"                  # `status`; of a websocket's handshake always 403
    BRAIN_HANGS = "brain_hangs"                      # the handshake, or the reply, never comes
    BRAIN_SILENT = "brain_silent"                    # it takes what it is told, and says nothing
    BRAIN_SLOW = "brain_slow"                        # it answers after `delay_s`
    BRAIN_STALLED = "brain_stalled"                  # for `delay_s`, in the middle of an answer
    BRAIN_CUT = "brain_cut"                          # the connection breaks in the middle of an answer
    BRAIN_LEFT = "brain_left"                        # it leaves after an answer without having said so
    BRAIN_GARBAGE = "brain_garbage"                  # messages that are none, before an answer
    BRAIN_TOO_LONG = "brain_too_long"                # a message of a million characters
    BRAIN_UNMARKED = "brain_unmarked"                # no `last` (relay)
    BRAIN_SPLIT = "brain_split"                      # a trace on several lines (voiceflow)


LONGEST_S = 86_400

_ids = count(1)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, `count` times or until it is removed.

    `number` (either party's) and `callbacks` narrow it down; without them it strikes everything. `callbacks`
    are names: initiated, ringing, answered, completed, or status for these four; amd; stream; transfer, which tells
    how a transfer ended. A carrier may send others, see docs/simulator.md. A model's is narrowed down by `model` and by
    the `rule` that answers, a tool's by `tool`, a speech vendor's by `vendor`.
    """

    kind: FaultKind
    number: str | None = None
    account: str | None = None
    callbacks: frozenset[str] = frozenset()
    count: int | None = None
    probability: float = 1.0
    delay_s: float = 1.0
    after_ms: int = 1000
    model: str | None = None
    rule: str | None = None
    tool: str | None = None
    vendor: str | None = None
    code: int = 1011
    after_tokens: int = 3
    status: int = 503
    id: str = field(default_factory=lambda: f"fault_{next(_ids)}")

    @property
    def retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(round(self.delay_s))}

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be over 0 and at most 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1")
        if not 0 <= self.delay_s <= LONGEST_S or not 0 <= self.after_ms <= LONGEST_S * 1000:
            raise ValueError("delay_s and after_ms must be between nothing and a day")
        if self.after_tokens < 0:
            raise ValueError("after_tokens must be at least 0")
        if not 1000 <= self.code <= 4999:
            raise ValueError("code must be one of a websocket's close, 1000 to 4999")
        if not 400 <= self.status <= 599:
            raise ValueError("status must be one of an error, 400 to 599")


ELSEWHERE = {"Location": "/elsewhere"}  # where a redirect leads: nowhere


class Faults:
    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = {fault.id: replace(fault) for fault in faults}  # copies: `count` is used up

    def add(self, fault: Fault) -> None:
        self._faults[fault.id] = fault

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def remove(self, fault_id: str) -> bool:
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()

    def strike(
        self, kind: FaultKind, *, account: str, numbers: tuple[str, ...] = (), callback: str = ""
    ) -> Fault | None:
        """The fault of this kind that happens now, if one does; uses up one of its `count`."""
        names = {callback, "status"} if callback in STATUS_CALLBACKS else {callback}

        def meets(fault: Fault) -> bool:
            return (
                fault.account in (None, account)
                and (fault.number is None or fault.number in numbers)
                and (not fault.callbacks or bool(fault.callbacks & names))
            )

        return self._strike(kind, meets)

    def strike_model(self, kind: FaultKind, *, model: str, rule: str) -> Fault | None:
        """The same for the answer of a model."""
        return self._strike(kind, lambda fault: fault.model in (None, model) and fault.rule in (None, rule))

    def strike_tool(self, kind: FaultKind, *, tool: str, named: bool = False) -> Fault | None:
        """The same for the call of a tool; `named`: only if the fault names it."""
        return self._strike(kind, lambda fault: fault.tool == tool or (fault.tool is None and not named))

    def strike_voice(self, kind: FaultKind, *, vendor: str) -> Fault | None:
        """The same for the voice of a speech vendor."""
        return self._strike(kind, lambda fault: fault.vendor in (None, vendor))

    def strike_brain(self, kind: FaultKind) -> Fault | None:
        return self._strike(kind, lambda fault: True)

    def _strike(self, kind: FaultKind, meets: Callable[[Fault], bool]) -> Fault | None:
        for fault in self._faults.values():
            if fault.kind is kind and meets(fault) and random.random() < fault.probability:
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        del self._faults[fault.id]
                return fault
        return None


TRANSFER = "transfer"  # where the answer to it runs next, loss is the only fault it can have
STATUS_CALLBACKS = frozenset({"initiated", "ringing", "answered", "completed"})
