"""One response of the simulated model of speech: its events in their order, faster than they are heard."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.realtime.answers import Answer
from outdial.simulator.realtime.events import call_item, event, new_id, response, spoken_item, usage
from outdial.simulator.speech.socket import Line
from outdial.simulator.speech.utterance import Speak

FIRST_S = 0.25     # from a turn's end to the first audio
PIECE_MS = 200     # of audio in a message
PIECE_S = 0.02     # from one to the next
LATE_PIECES = 2    # that still come after a response was cancelled, where that goes wrong

Struck = Mapping[FaultKind, Fault]


class Speaking:
    """`spoken`: ms of audio of its item so far. `done` is told of the end, with the text that was said."""

    def __init__(self, line: Line, speak: Speak, struck: Struck, done: Callable[[], object]) -> None:
        self.id = new_id("resp")
        self.item = new_id("item")
        self.spoken_ms = 0
        self.text = ""
        self.calls: list[tuple[str, str]] = []  # ids of calls, and their functions
        self.heard_ms = 0  # of the callee's audio that it answers
        self._line = line
        self._speak = speak
        self._struck = struck
        self._done = done
        self._output: list[dict[str, Any]] = []
        self._is_over = False

    def begin(self) -> None:
        self._line.send(event("response.created", response=response(self.id, "in_progress", [])))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self._line.send(event("rate_limits.updated", rate_limits=limits))

    async def run(self, answer: Answer) -> None:
        slow = self._struck.get(FaultKind.REALTIME_SLOW)
        await asyncio.sleep(FIRST_S + (slow.delay_s if slow is not None else 0.0))
        if FaultKind.REALTIME_SILENT in self._struck:
            await asyncio.get_running_loop().create_future()
        if FaultKind.REALTIME_FAILED in self._struck:
            why = {"type": "failed", "error": {"type": "server_error", "code": "server_error"}}
            self._end("failed", why)
            return
        if answer.says:
            await self._say(answer.says)
        if self._is_over:
            return
        for name, arguments in answer.calls:
            self._call(name, json.dumps(arguments))
        self._end("completed", None)

    def cancel(self, reason: str) -> None:
        """By what the callee says, or by who is connected."""
        if self._is_over:
            return
        self._end("cancelled", {"type": "cancelled", "reason": reason})
        if FaultKind.REALTIME_LATE in self._struck and self.spoken_ms:
            for _ in range(LATE_PIECES):
                self._audio(bytes(PIECE_MS * 8))

    def _end(self, status: str, why: dict[str, Any] | None) -> None:
        self._is_over = True
        spent = usage(
            audio_in=self.heard_ms // 100, text_in=60, audio_out=self.spoken_ms // 50, text_out=len(self.text) // 4
        )
        self._line.send(event("response.done", response=response(self.id, status, self._output, spent, why)))
        self._done()

    @property
    def _place(self) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": self.item, "output_index": 0, "content_index": 0}

    def _audio(self, ulaw: bytes) -> None:
        delta = base64.b64encode(ulaw).decode()
        self._line.send(event("response.output_audio.delta", delta=delta, **self._place))

    async def _say(self, says: str) -> None:
        send = self._line.send
        started = spoken_item(self.item, transcript=None, status="in_progress")
        send(event("response.output_item.added", response_id=self.id, output_index=0, item=started))
        send(event("conversation.item.added", previous_item_id=None, item=started))
        send(event("response.content_part.added", part={"type": "audio", "transcript": ""}, **self._place))
        pcm = await self._speak(says)
        step = PIECE_MS * BYTES_PER_MS
        pieces, words = max(1, -(-len(pcm) // step)), says.split()
        cut = self._struck.get(FaultKind.REALTIME_CUT)
        for place in range(pieces):
            if self._is_over:
                return
            some = words[len(words) * place // pieces : len(words) * (place + 1) // pieces]
            if some:
                delta = " ".join(some) if not self.text else " " + " ".join(some)
                self.text += delta
                send(event("response.output_audio_transcript.delta", delta=delta, **self._place))
            piece = pcm[place * step : (place + 1) * step]
            self._audio(pcm_to_ulaw(piece))
            self.spoken_ms += len(piece) // BYTES_PER_MS
            if cut is not None and self.spoken_ms >= cut.after_ms:
                self._line.cut()
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(PIECE_S)
        if self._is_over:
            return
        send(event("response.output_audio.done", **self._place))
        send(event("response.output_audio_transcript.done", transcript=says, **self._place))
        send(event("response.content_part.done", part={"type": "audio", "transcript": says}, **self._place))
        item = spoken_item(self.item, transcript=says, status="completed")
        send(event("conversation.item.done", previous_item_id=None, item=item))
        send(event("response.output_item.done", response_id=self.id, output_index=0, item=item))
        self._output.append(item)

    def _call(self, name: str, arguments: str) -> None:
        send, item, call = self._line.send, new_id("item"), new_id("call")
        place = {"response_id": self.id, "item_id": item, "output_index": len(self._output), "call_id": call}
        started = call_item(item, call, name, "", "in_progress")
        send(event("response.output_item.added", response_id=self.id, output_index=len(self._output), item=started))
        send(event("response.function_call_arguments.delta", delta=arguments, **place))
        send(event("response.function_call_arguments.done", arguments=arguments, name=name, **place))
        whole = call_item(item, call, name, arguments, "completed")
        send(event("response.output_item.done", response_id=self.id, output_index=len(self._output), item=whole))
        self._output.append(whole)
        self.calls.append((call, name))
