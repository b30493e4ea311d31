"""What a receiver reads: the JSON of one event. Pure."""

import json
from datetime import datetime
from typing import Any

from outdial.instants import to_json

API_VERSION = "1"


def body_of(event_id: str, type_: str, at: datetime, sequence: int | None, data: str) -> bytes:
    """The exact bytes that are signed and sent. `data` is JSON already: the same for everybody who is told."""
    head: dict[str, Any] = {"type": type_, "timestamp": to_json(at), "id": event_id, "api_version": API_VERSION}
    if sequence is not None:
        head["sequence"] = sequence
    text = json.dumps(head, separators=(",", ":"))
    return f'{text[:-1]},"data":{data}}}'.encode()
