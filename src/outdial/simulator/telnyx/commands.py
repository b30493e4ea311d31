"""`POST /calls/{call_control_id}/actions/…`: what a leg can be told to do."""

from collections.abc import Callable
from typing import Any

from outdial.simulator.telnyx import errors, requests
from outdial.simulator.telnyx.account import TelnyxAccount
from outdial.simulator.telnyx.call import TelnyxCall
from outdial.simulator.telnyx.leg import Ending, Event
from outdial.simulator.telnyx.requests import Body
from outdial.simulator.telnyx.transfer import stay_bridged, transfer

BEFORE_THE_ANSWER = frozenset({"answer", "hangup", "reject", "client_state_update"})
MAX_SPOKEN_CHARACTERS = 3000
REJECTIONS = {
    "CALL_REJECTED": Ending(cause="call_rejected", source="callee", sip_code=603),
    "USER_BUSY": Ending(cause="user_busy", source="callee", sip_code=486),
}


class Commands:
    def __init__(self, account: TelnyxAccount) -> None:
        self._account = account
        self._actions: dict[str, Callable[[TelnyxCall, Body], None]] = {
            "answer": self._answer,
            "bridge": self._bridge,
            "client_state_update": self._update_client_state,
            "hangup": self._hang_up,
            "playback_start": self._play,
            "playback_stop": self._stop_playing,
            "reject": self._reject,
            "send_dtmf": self._send_digits,
            "speak": self._speak,
            "streaming_start": self._start_streaming,
            "streaming_stop": self._stop_streaming,
            "transfer": self._transfer,
        }

    def names(self) -> list[str]:
        return list(self._actions)

    def execute(self, name: str, call_control_id: str, body: Body) -> dict[str, Any]:
        """Raises ApiError."""
        leg = self._account.leg(call_control_id)
        call = self._account.live.get(call_control_id)
        if call is None or call.over:
            raise errors.ended()
        if name not in BEFORE_THE_ANSWER and not call.answered.is_set():
            raise errors.not_answered()
        state_before = leg.client_state
        leg.client_state = body.base64("client_state") or state_before
        try:
            self._actions[name](call, body)
        except errors.ApiError:
            leg.client_state = state_before
            raise
        metadata = {item: body.raw(item) for item in body.names()}
        now = self._account.network.clock.now()
        leg.record(Event(name=name, type="command", at=now, metadata=metadata))
        return {"data": {"result": "ok"}}

    def _answer(self, call: TelnyxCall, body: Body) -> None:
        if not call.leg.incoming or call.answered.is_set():
            raise errors.invalid("call_control_id", "Only an incoming call that rings can be answered.")
        wanted = requests.answer(body)
        if wanted.hooks is not None:
            call.leg.hooks = wanted.hooks
        call.answer()
        if wanted.stream is not None:
            call.stream(wanted.stream)

    def _reject(self, call: TelnyxCall, body: Body) -> None:
        if not call.leg.incoming or call.answered.is_set():
            raise errors.invalid("call_control_id", "Only an incoming call that rings can be rejected.")
        body.required("cause")
        call.end(REJECTIONS[body.choice("cause", "", tuple(REJECTIONS))])

    def _hang_up(self, call: TelnyxCall, body: Body) -> None:
        call.hang_up()

    def _update_client_state(self, call: TelnyxCall, body: Body) -> None:
        body.required("client_state")

    def _send_digits(self, call: TelnyxCall, body: Body) -> None:
        body.required("digits")
        call.press(body.digits("digits"), body.integer("duration_millis", 250, 100, 500))

    def _speak(self, call: TelnyxCall, body: Body) -> None:
        text = body.required("payload")
        body.required("voice")
        if body.choice("payload_type", "text", ("text", "ssml")) == "ssml":
            raise errors.not_simulated("payload_type")
        body.text("payload", longest=MAX_SPOKEN_CHARACTERS)
        _stop_first(call, body)
        call.playlist.speak(text, loop=_loop(body))

    def _play(self, call: TelnyxCall, body: Body) -> None:
        for name in ("media_name", "playback_content", "overlay"):
            if body.raw(name):
                raise errors.not_simulated(name)
        if "audio_url" not in body:
            raise errors.missing("audio_url")
        url = body.url("audio_url")
        _stop_first(call, body)
        call.playlist.play_file(url, loop=_loop(body))

    def _stop_playing(self, call: TelnyxCall, body: Body) -> None:
        call.playlist.stop(everything=body.choice("stop", "all", ("all", "current")) == "all")

    def _start_streaming(self, call: TelnyxCall, body: Body) -> None:
        if "custom_parameters" in body:
            raise errors.not_simulated("custom_parameters")
        wanted = requests.stream(body)
        if wanted is None:
            raise errors.missing("stream_url")
        if call.streaming is not None:
            raise errors.already_streaming()
        call.stream(wanted)

    def _stop_streaming(self, call: TelnyxCall, body: Body) -> None:
        if call.streaming is not None and body.text("stream_id", call.streaming.id) == call.streaming.id:
            call.streaming.close()

    def _bridge(self, call: TelnyxCall, body: Body) -> None:
        for name in ("queue", "video_room_id", "park_after_unbridge", "hold_after_unbridge", "record", "play_ringtone"):
            if body.raw(name):
                raise errors.not_simulated(name)
        other = self._account.live.get(body.required("call_control_id"))
        if other is None or other is call or other.over or not other.answered.is_set():
            raise errors.invalid("call_control_id", "The call to bridge with is not an answered call of this account.")
        if call.transferring or other.transferring:
            raise errors.invalid("call_control_id", "The call is bridged already.")
        self._account.network.start(stay_bridged(call, other))

    def _transfer(self, call: TelnyxCall, body: Body) -> None:
        if call.transferring:
            raise errors.invalid("call_control_id", "The call is being transferred already.")
        wanted = requests.transfer(body, call.leg.call.to)
        target = self._account.prepare(call.leg.application, wanted, session_id=call.leg.session_id)
        self._account.network.start(transfer(call, target))


def _stop_first(call: TelnyxCall, body: Body) -> None:
    """`stop` makes room for what is to be heard now."""
    wanted = body.text("stop")
    if wanted:
        call.playlist.stop(everything=body.choice("stop", "", ("all", "current")) == "all")


def _loop(body: Body) -> int | None:
    """How often; None is until it is stopped."""
    if body.raw("loop") == "infinity":
        return None
    return body.integer("loop", 1, 1, 1000)
