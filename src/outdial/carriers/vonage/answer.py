"""What Vonage is to do with a call, in NCCO (a JSON array of actions). Pure: values in, values out.

Source: developer.vonage.com/en/voice/voice-api/ncco-reference.
"""

import json
from typing import Any

from outdial.carriers.callbacks import BackToAgent, CallbackReply
from outdial.carriers.vonage import mapping

MAX_CONNECT_S = 7200      # of a connect action
MAX_HEADER_BYTES = 512    # of all headers of a websocket endpoint
MAX_TALK_CHARS = 1500

Ncco = list[dict[str, Any]]


def stream_answer(stream_url: str, *, ref: str, from_: str, callback_url: str, max_duration_s: int) -> Ncco:
    """Connect the call to our media websocket, both ways. When that closes nothing follows, so the call ends.

    `from_` without plus sign. The events of the websocket's own leg go to `callback_url`/stream, away from
    those of the call. Raises ValueError for headers that are too long.
    """
    headers = {"ref": ref}
    if len(json.dumps(headers).encode()) > MAX_HEADER_BYTES:
        raise ValueError(f"the headers of a Vonage websocket have at most {MAX_HEADER_BYTES} bytes")
    websocket = {
        "type": "websocket",
        "uri": stream_url,
        "content-type": "audio/l16;rate=8000",
        "headers": headers,
        "authorization": {"type": "vonage"},  # sign the handshake as callbacks are signed
    }
    return [
        {
            "action": "connect",
            "from": from_,
            "limit": min(max_duration_s, MAX_CONNECT_S),
            "eventUrl": [f"{callback_url}/stream"],
            "endpoint": [websocket],
        }
    ]


def transfer_answer(to: str, caller_id: str, ring_timeout_s: int, event_url: str) -> Ncco:
    """Connect the callee to another number (both without plus sign).

    Synchronous: how it went is told to `event_url`, whose answer runs next on the callee's call.
    """
    return [
        {
            "action": "connect",
            "from": caller_id,
            "timeout": ring_timeout_s,
            "eventType": "synchronous",
            "eventUrl": [event_url],
            "endpoint": [{"type": "phone", "number": to}],
        }
    ]


def room_answer(room: str) -> Ncco:
    """Connect the call with the others in a named conversation, which ends for all when one leaves; then hang up."""
    return [{"action": "conversation", "name": room, "startOnEnter": True, "endOnExit": True}]


def back_to_agent(back: BackToAgent) -> Ncco:
    """Connect a call that a transfer has left alone to our media websocket again."""
    return stream_answer(
        back.stream_url,
        ref=back.ref,
        from_=mapping.to_vonage(back.from_),
        callback_url=back.callback_url,
        max_duration_s=back.max_duration_s,
    )


def talk(sentence: str) -> Ncco:
    """Say a sentence; nothing follows, so the call ends."""
    return [{"action": "talk", "text": sentence[:MAX_TALK_CHARS]}]


def reject() -> Ncco:
    """Nothing to do: the call ends. (Vonage has no way to refuse without answering that is documented.)"""
    return []


def reply(ncco: Ncco) -> CallbackReply:
    return CallbackReply(media_type="application/json", body=json.dumps(ncco))
