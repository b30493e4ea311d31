"""One Telnyx leg from dialling to its last callback. Nothing happens on it but by command."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from outdial.simulator.callee_steps import Sound
from outdial.simulator.callees import Reaction
from outdial.simulator.calls import Status
from outdial.simulator.far_end import far_end
from outdial.simulator.line import Line, ends
from outdial.simulator.telnyx import amd, cost
from outdial.simulator.telnyx.leg import Ending, Leg, stamp
from outdial.simulator.telnyx.parameters import Detection, Dial, Stream
from outdial.simulator.telnyx.party import Party, Shared
from outdial.simulator.telnyx.playback import Playlist
from outdial.simulator.telnyx.streaming import Streaming
from outdial.simulator.waiting import first_of, run_until

logger = logging.getLogger(__name__)

DIGIT_MS = 250
CALLER_PATIENCE_S = 60  # a caller hears it ring no longer; the simulator's pace applies

UNREACHED = {
    Reaction.NO_SUCH_NUMBER: Ending(cause="not_found", source="callee", sip_code=404),
    Reaction.BUSY: Ending(cause="user_busy", source="callee", sip_code=486),
    Reaction.DECLINES: Ending(cause="call_rejected", source="callee", sip_code=603),
    Reaction.UNREACHABLE: Ending(cause="no_answer", source="callee", sip_code=480),
}

CALLER_GAVE_UP = Ending(cause="originator_cancel", source="caller", sip_code=487)


class TelnyxCall(Party):
    def __init__(
        self,
        shared: Shared,
        leg: Leg,
        dial: Dial | None,
        *,
        refusal: str = "",
        on_end: Callable[[], None],
    ) -> None:
        """`dial` is None for an incoming call. `refusal` is why the network won't carry it, once dialled."""
        super().__init__(shared, leg)
        self.far_end = far_end(shared.network, leg.call, carrier="telnyx")
        self.line: Line | None = None  # once answered
        self.dialled = asyncio.Event()
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.first_callback: asyncio.Task[None] | None = None
        self.playlist = Playlist(self)
        self.streaming: Streaming | None = None
        self.transferring = False
        self._dial = dial
        self._refusal = refusal
        self._on_end = on_end
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._limit: asyncio.TimerHandle | None = None

    # -- what others may do to a leg

    def end(self, ending: Ending) -> None:
        """The leg is over from now on; the first reason counts."""
        if not self._over.done():
            self._over.set_result(ending)

    def hang_up(self) -> None:
        """The customer hangs up."""
        if self.answered.is_set():
            self.end(Ending(cause="normal_clearing", source=self.leg.us))
        elif self.leg.incoming:
            self.end(Ending(cause="call_rejected", source="callee", sip_code=603))
        else:
            self.end(Ending(cause="originator_cancel", source="caller", sip_code=487))

    def answer(self) -> None:
        """Answer an incoming call."""
        if self.line is not None and not self.over:
            self._pick_up(self.line)

    def stream(self, wanted: Stream) -> None:
        """Open a media stream; there is one at a time."""
        assert self.streaming is None
        self.streaming = Streaming(self, wanted, self._stream_closed)
        self.streaming.open()

    def press(self, digits: str, duration_ms: int = DIGIT_MS) -> None:
        self.network.start(run_until(self.audio.play_digits(digits, duration_ms), self._over))

    @property
    def over(self) -> bool:
        """Decided to end; the last callback may still be to come."""
        return self._over.done()

    # -- its life

    async def live(self) -> None:
        """Dial or ring, and stay until one side ends it. Cancelled when the simulator closes."""
        try:
            await run_until(self._receive() if self._dial is None else self._reach(self._dial), self._over)
            await first_of(self._over)
        except Exception:
            logger.exception("Simulated call failed", extra={"call_control_id": self.leg.call.id})
            self.end(Ending(cause="unspecified", source="unknown", sip_code=500))
        finally:
            self._finish()

    async def _reach(self, dial: Dial) -> None:
        """Make the phone ring, until somebody answers or there is a reason why nobody does."""
        call = self.leg.call
        call.dialled_at = self._now()
        self._be(Status.INITIATED)
        self.first_callback = self.callbacks.post(
            "call.initiated",
            **self.leg.parties(),
            direction="outgoing",
            state="bridging",
            start_time=stamp(call.dialled_at),
        )
        if self.leg.application.webhook_api_version != "2":
            self.note("No callbacks: the application's webhook_api_version is 1")
        self.dialled.set()
        if self._refusal:
            self.note(self._refusal)
            self.end(Ending(cause="call_rejected", source="unknown", sip_code=403))
            return
        reaction = await self.far_end.ring(dial.ring_timeout_s, lambda: self._be(Status.RINGING))  # tells nobody
        if reaction is Reaction.RINGS_OUT:
            cause = "timeout" if dial.retry_on_timeout else "no_answer"
            self.end(Ending(cause=cause, source="caller", sip_code=487))
            return
        if reaction is not Reaction.ANSWERS:
            self.end(UNREACHED[reaction])
            return
        self._pick_up(await self.far_end.line(on_hang_up=self._other_side_hung_up))
        if dial.detection is not None:
            self._detect(dial.detection)
        if dial.stream is not None and self.streaming is None:
            self.stream(dial.stream)
        if dial.send_digits:
            self.press(dial.send_digits)

    async def _receive(self) -> None:
        """An incoming call rings until it is answered by command, or the caller has had enough."""
        call = self.leg.call
        self.line = await self.far_end.line(on_hang_up=self._other_side_hung_up)
        call.dialled_at = self._now()
        self._be(Status.RINGING)
        self.dialled.set()
        self.first_callback = self.callbacks.post(
            "call.initiated",
            **self.leg.parties(),
            direction="incoming",
            state="parked",
            start_time=stamp(call.dialled_at),
        )
        if not await first_of(self.answered, at_most_s=CALLER_PATIENCE_S * self.network.clock.pace):
            self.end(CALLER_GAVE_UP)

    def _pick_up(self, line: Line) -> None:
        if self.answered.is_set():
            return
        call = self.leg.call
        self.line = line
        call.answered_at = self._now()
        self._be(Status.IN_PROGRESS)
        line.peer = self.audio
        self.network.pacer.add(line)
        self.callbacks.post("call.answered", **self.leg.parties(), state="answered", start_time=self._start_time())
        seconds = self._dial.time_limit_s if self._dial is not None else 14_400
        ending = Ending(cause="time_limit", source="unknown")
        self._limit = asyncio.get_running_loop().call_later(seconds, self.end, ending)
        self.answered.set()

    def _detect(self, detection: Detection) -> None:
        listener = amd.listener(detection.mode, detection.tuning)
        line = self.line
        assert line is not None

        def listen(sound: Sound) -> None:
            finding = listener.hear(sound)
            if listener.done:
                line.heard_by = None
            if finding is None:
                return
            if "detection" in finding.event_type:
                self.leg.call.answered_by = finding.result
            self.callbacks.post(finding.event_type, **self.leg.parties(), result=finding.result)

        line.heard_by = listen

    def _finish(self) -> None:
        call = self.leg.call
        self.hang_up()  # the simulator closes
        if self._limit is not None:
            self._limit.cancel()
        self.playlist.close()
        if self.streaming is not None:
            self.streaming.close()
        if self.line is not None:
            call.heard_digits = self.line.phone.heard_digits
            self.network.pacer.remove(self.line)
        ending = self._over.result()
        call.ended_at = self._now()
        call.sip_code = ending.sip_code
        self._be(ending.status(self.answered.is_set()))
        self.callbacks.post("call.hangup", **self._hangup(ending, call.ended_at))
        if self.leg.application.call_cost_in_webhooks and self.answered.is_set():
            self.network.start(self._tell_cost())
        self.far_end.release()
        self._on_end()
        self.ended.set()

    def _hangup(self, ending: Ending, at: datetime) -> dict[str, Any]:
        payload: dict[str, Any] = {
            **self.leg.parties(),
            "state": "hangup",
            "hangup_cause": ending.cause,
            "hangup_source": ending.source,
            "sip_hangup_cause": str(ending.sip_code),
            "start_time": self._start_time(),
            "end_time": stamp(at),
            "tags": [],
        }
        if self.answered.is_set():
            payload["call_quality_stats"] = cost.quality(self.leg)
        return payload

    async def _tell_cost(self) -> None:
        await self.network.clock.sleep(self.shared.config.cost_after_s)
        at = stamp(self._now())
        self.callbacks.post("call.cost", **cost.payload(self.leg), occurred_at=at, status="success")

    def _other_side_hung_up(self) -> None:
        if self.answered.is_set():
            self.end(Ending(cause="normal_clearing", source=self.leg.them))
        else:
            self.end(CALLER_GAVE_UP)

    def _stream_closed(self) -> None:
        self.streaming = None

    def _be(self, status: Status) -> None:
        self.leg.call.status = status
        self.leg.call.updated_at = self._now()

    def _start_time(self) -> str:
        return stamp(self.leg.call.dialled_at or self.leg.call.created_at)

    def _now(self) -> datetime:
        return self.network.clock.now()


def bridge(one: TelnyxCall, other: TelnyxCall) -> None:
    """Connect the people at two answered legs; their streams go on."""
    assert one.line is not None
    assert other.line is not None
    one.audio.far, other.audio.far = ends()
    for call in (other, one):
        call.callbacks.post("call.bridged", **call.leg.parties())
