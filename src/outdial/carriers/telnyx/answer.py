"""What Telnyx is to do with a call: the bodies of its call control commands. Pure: values in, values out.

Source: developers.telnyx.com, docs/voice/programmable-voice/sending-commands.
"""

from typing import Any

from outdial.carriers.calls import Detection, PlaceCall, command_id
from outdial.carriers.telnyx import mapping
from outdial.carriers.telnyx.callbacks import TRANSFER_STATE

RING_TIMEOUT_S = (5, 600)      # least and most
LENGTH_S = (30, 14400)
MAX_SPEAK_CHARS = 3000
GREETING_MS = 30_000  # the longest greeting that is heard to its end

Command = dict[str, Any]


def dial(request: PlaceCall, connection_id: str, *, standard_detection: bool = False) -> Command:
    command: Command = {
        "connection_id": connection_id,
        "to": request.to,
        "from": request.from_,
        "timeout_secs": _within(RING_TIMEOUT_S, request.ring_timeout_s),
        "time_limit_secs": _within(LENGTH_S, request.max_duration_s),
        "command_id": request.command_id,
        **_callbacks(request.ref, request.callback_url),
        **_stream(request.stream_url),
    }
    if request.detection is Detection.OFF:
        return command
    return command | (_standard_detection(request) if standard_detection else _premium_detection(request))


def accept(ref: str, callback_url: str, stream_url: str) -> Command:
    """Answer a call that comes in, with our media stream. Once: a call that was told twice is answered twice, and what
    came second would be refused and taken for the call's end."""
    return {"command_id": command_id(ref), **_callbacks(ref, callback_url), **_stream(stream_url)}


def reject() -> Command:
    """Refuse without answering, so unbilled: the caller hears a busy tone."""
    return {"cause": "USER_BUSY"}


def transfer(call_control_id: str, to: str, caller_id: str, ring_timeout_s: int, callback_url: str) -> Command:
    """The other leg's callbacks are told by its client state; without `from`, Telnyx would show the callee's number."""
    return {
        "to": to,
        "from": caller_id,
        "timeout_secs": ring_timeout_s,
        "target_leg_client_state": mapping.client_state(TRANSFER_STATE + call_control_id),
        "webhook_url": f"{callback_url}/event",
        "webhook_url_method": "POST",
    }


def bridge(other_control_id: str) -> Command:
    """Neither is parked when the bridge ends, so each hangs up with the other."""
    return {"call_control_id": other_control_id}


def resume(stream_url: str) -> Command:
    """Open a media stream on a call that goes on."""
    return _stream(stream_url)


def speak(sentence: str) -> Command:
    return {"payload": sentence[:MAX_SPEAK_CHARS], "voice": "female", "language": "en-US"}


def _premium_detection(request: PlaceCall) -> Command:
    """It tells fax and silence as well, and always the end of a machine's greeting."""
    return {
        "answering_machine_detection": "premium",
        "answering_machine_detection_config": {"total_analysis_time_millis": request.detection_timeout_s * 1000},
    }


def _standard_detection(request: PlaceCall) -> Command:
    """By default it takes whoever is silent for 3.5 s for a machine, and stops listening to a greeting after 5 s."""
    total_ms = request.detection_timeout_s * 1000
    return {
        "answering_machine_detection": "greeting_end" if request.detection is Detection.MESSAGE_END else "detect",
        "answering_machine_detection_config": {
            "total_analysis_time_millis": total_ms,
            "initial_silence_millis": total_ms + 1000,  # not reached: silence stays "not_sure"
            "greeting_total_analysis_time_millis": GREETING_MS,
        },
    }


def _callbacks(ref: str, callback_url: str) -> Command:
    return {
        "client_state": mapping.client_state(ref),
        "webhook_url": f"{callback_url}/event",
        "webhook_url_method": "POST",
    }


def _stream(stream_url: str) -> Command:
    return {
        "stream_url": stream_url,
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",  # the default, mp3, takes our audio for MP3 files
        "stream_bidirectional_codec": "PCMU",
    }


def _within(limits: tuple[int, int], value: int) -> int:
    return min(max(value, limits[0]), limits[1])
