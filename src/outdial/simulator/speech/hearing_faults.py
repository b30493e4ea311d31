"""What goes wrong with a simulated vendor's recognition, in any protocol."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from outdial.simulator.faults import Fault, FaultKind, Faults
from outdial.simulator.speech.socket import Line, Refused

REFUSED = (FaultKind.HEARING_UNAUTHORIZED, FaultKind.HEARING_THROTTLED, FaultKind.HEARING_ERROR)
AFTER_AUDIO = (
    FaultKind.HEARING_CUT, FaultKind.HEARING_CLOSED, FaultKind.HEARING_TOLD, FaultKind.HEARING_GARBLED,
    FaultKind.HEARING_STALLED,
)  # fmt: skip
OF_CONNECTION = (*AFTER_AUDIO, FaultKind.HEARING_SLOW, FaultKind.HEARING_NO_FINAL, FaultKind.HEARING_DISORDERED)
STATUS = {FaultKind.HEARING_UNAUTHORIZED: 401, FaultKind.HEARING_THROTTLED: 429}

Message = Mapping[str, Any]


class HearingFaults:
    """Of one vendor, before a connection is accepted."""

    def __init__(self, faults: Faults, vendor: str) -> None:
        self._faults = faults
        self._vendor = vendor

    def strike(self, kind: FaultKind) -> Fault | None:
        return self._faults.strike_voice(kind, vendor=self._vendor)

    def refuse(self, body: Callable[[str], str]) -> None:
        """Raises Refused; `body` is the vendor's, of a word of its."""
        for kind in REFUSED:
            if (fault := self.strike(kind)) is not None:
                status = STATUS.get(kind, fault.status)
                word = {401: "INVALID_AUTH", 402: "insufficient_credits", 429: "TOO_MANY_REQUESTS"}.get(status, "ERROR")
                raise Refused(status=status, body=body(word))

    def on(self, line: Line, told: Callable[[str], Sequence[Message]]) -> "StruckConnection":
        """`told` are the messages of an error, in the vendor's protocol."""
        struck = {kind: fault for kind in OF_CONNECTION if (fault := self.strike(kind)) is not None}
        return StruckConnection(line, told, struck)


class StruckConnection:
    """Sends what a vendor says, as far as nothing goes wrong."""

    def __init__(
        self, line: Line, told: Callable[[str], Sequence[Message]], struck: Mapping[FaultKind, Fault]
    ) -> None:
        self._line = line
        self._told = told
        self._struck = dict(struck)
        self._heard_ms = 0.0
        self._is_over = False
        self._guess: Message | None = None  # the last one, to be sent once more after it counts
        self._free_at = 0.0
        slow = self._struck.get(FaultKind.HEARING_SLOW)
        if slow is not None:
            self._free_at = asyncio.get_running_loop().time() + slow.delay_s
        self._timers: list[asyncio.TimerHandle] = []

    def heard(self, ms: float) -> None:
        """So much audio has come."""
        self._heard_ms += ms
        for kind in AFTER_AUDIO:
            fault = self._struck.get(kind)
            if fault is not None and self._heard_ms >= fault.after_ms:
                del self._struck[kind]
                self._goes_wrong(fault)

    def send(self, message: Message, *, final: bool = False) -> None:
        """`final`: the vendor's last word on some audio."""
        if self._is_over or (final and FaultKind.HEARING_NO_FINAL in self._struck):
            return
        if FaultKind.HEARING_DISORDERED in self._struck:
            late, self._guess = (self._guess, None) if final else (None, message)
            self._send(message)
            if late is not None:
                self._send(late)
            return
        self._send(message)

    def close(self) -> None:
        self._is_over = True
        for timer in self._timers:
            timer.cancel()

    def _send(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        text = json.dumps(message)
        if loop.time() >= self._free_at:
            self._line.send(text)
        else:
            self._timers.append(loop.call_at(self._free_at, self._line.send, text))

    def _goes_wrong(self, fault: Fault) -> None:
        self._is_over = True
        match fault.kind:
            case FaultKind.HEARING_CUT:
                self._line.cut()
            case FaultKind.HEARING_CLOSED:
                self._line.close(fault.code, "")
            case FaultKind.HEARING_TOLD:
                for message in self._told("insufficient_credits"):
                    self._line.send(json.dumps(message))
                self._line.close(fault.code, "")
            case FaultKind.HEARING_GARBLED:
                self._line.send("{")
