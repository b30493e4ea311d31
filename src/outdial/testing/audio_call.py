"""A live call in memory with real audio, in virtual time: the callee's lines are spoken, come through a telephone line,
and are recognised by the engines that ship; whose turn it is the real conversation decides.

    engines = AudioEngines.offline()
    call = AudioCall([Hears("Shall I book it"), Says("Yes, please.")], engines)
    virtual_time.run(call.hold(my_agent))
    assert call.noted == {"booked": True}
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from outdial.conversation.call_facts import CallFacts, Engines, turn_taking_of
from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.conversation.media_line import MediaLine
from outdial.conversation.session import Session
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.transcript import Speaker, Turn
from outdial.conversation.verb_results import CallEnded, FailedTransfer
from outdial.conversation.warm import Warm
from outdial.media.frames import FRAME_MS
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.speech.base import SpeechToText, SpeechUnavailable
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech
from outdial.speech.reading.reader import AMERICAN, Reading
from outdial.telephony.state import CallDirection, EndedBy
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy, Verdict
from outdial.testing.agent_heard import AgentHeard, OverheardCall
from outdial.testing.audio_callee import AudioCallee
from outdial.testing.audio_engines import RememberedTextToSpeech, TimedClosedAnswers, TimedSpeechToText, detect_voice
from outdial.testing.audio_phone import Utterance, reply_ms
from outdial.testing.call_limits import CallLimits
from outdial.testing.callee import CalleeLine, Interrupts, Says, WentWrong
from outdial.testing.callee_voice import CalleeVoice
from outdial.testing.line import PlainCodec
from outdial.testing.line_audio import Line, LineAudio
from outdial.testing.sounds import SoundsInMemory
from outdial.testing.transfers import raise_unless_connected

MAX_CALL_S = 600.0
LATE_MS = 300  # an utterance is written down as a little longer or shorter than it was


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEngines:
    """What calls in memory hear and speak with; for one after the other."""

    speech_to_text: SpeechToText
    agent: RememberedTextToSpeech
    callee: CalleeVoice

    @classmethod
    def offline(cls, language: str = AMERICAN.language) -> "AudioEngines":
        """Those of the package. Raises SpeechUnavailable where one isn't installed, or doesn't know the language."""
        if language.partition("-")[0].lower() != "en":
            raise SpeechUnavailable(f"the offline voice and recogniser are English, and not {language}")
        return cls(
            speech_to_text=TimedSpeechToText(OfflineSpeechToText()),
            agent=RememberedTextToSpeech(OfflineTextToSpeech()),
            callee=CalleeVoice(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What the agent understood of a line of the callee's, counted from 0 ("": nothing), and how long after its last
    voiced moment the agent spoke; None where it didn't any more, or had not stopped."""

    line: int
    said: str
    heard: str
    reply_ms: int | None


class AudioCall:
    """As TextCall, with audio. Held once, in virtual time."""

    def __init__(
        self,
        callee: Iterable[CalleeLine],
        engines: AudioEngines,
        *,
        variables: Mapping[str, Any] | None = None,
        user_number: str = "+12025550100",
        agent_number: str = "+12025550199",
        line: Line | None = None,
        reading: Reading = AMERICAN,
        limits: CallLimits | None = None,
    ) -> None:
        self.answered_by: AnsweredBy | None = AnsweredBy.HUMAN
        self.noted: dict[str, Any] = {}
        self.failed_transfer: FailedTransfer | None = None
        self.ended_by: EndedBy | None = None
        self.called_back = False
        self.transferred: bool | None = None
        self.transferred_to: str | None = None
        self.callee_responded = False
        self.awaits_callee = False
        self.variables: Mapping[str, Any] = dict(variables or {})
        self._lines = list(callee)
        self._engines = engines
        self._line = line or Line()
        self._reading = reading
        self._limits = limits or CallLimits(seconds=MAX_CALL_S)
        self._facts = CallFacts(
            call_id="call_in_memory",
            direction=CallDirection.OUTBOUND,
            user_number=user_number,
            agent_number=agent_number,
            max_duration_s=self._limits.seconds,
            variables=self.variables,
            reading=reading,
            turn_taking=turn_taking_of(reading.language),
        )
        self._agent = AgentHeard(reading, engines.agent)
        self._callee: AudioCallee
        self._broke: Exception | None = None

    # -- what came of it ----------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        return len(self._callee.sound.agent) * FRAME_MS

    @property
    def turns(self) -> list[Turn]:
        return [turn for _, turn in sorted(self._agent.turns.items())]

    @property
    def understood(self) -> list[Understood]:
        sound = self._callee.sound
        found = []
        for one in self._callee.spoken:
            if one.utterance < len(sound.utterances):  # said to its end
                said = sound.utterances[one.utterance]
                heard = self._heard_of(said)
                after_ms = None if self._was_only_listening(said) else reply_ms(sound.agent, said)
                found.append(Understood(line=one.line, said=said.text, heard=heard, reply_ms=after_ms))
        return found

    def _heard_of(self, utterance: Utterance) -> str:
        began_ms, ended_ms = utterance.start_ms - LATE_MS, utterance.end_ms + LATE_MS
        return " ".join(
            turn.text
            for turn in self.turns
            if turn.speaker == Speaker.CALLEE and turn.end_ms is not None
            and turn.start_ms < ended_ms and turn.end_ms > began_ms
        )  # fmt: skip

    def _was_only_listening(self, utterance: Utterance) -> bool:
        """Whether the agent said to its end what it was saying."""
        return any(
            turn.speaker == Speaker.AGENT and not turn.interrupted and turn.end_ms is not None
            and turn.start_ms < utterance.start_ms and utterance.end_ms < turn.end_ms
            for turn in self.turns
        )  # fmt: skip

    # -- the call -----------------------------------------------------------------------------------------------

    async def hold(self, agent: AgentCoroutine) -> None:
        """From its beginning to its end, also after a transfer that comes back. Not inside another event loop's time:
        see virtual_time.run.

        Raises WentWrong when the call didn't go as its lines say, and what the agent raises.
        """
        await self._engines.callee.prepare(self._texts())
        behind = await self._engines.callee.behind(self._line.behind) if self._line.behind else None
        line = LineAudio(self._line, behind, seed=1)
        self._callee = AudioCallee(self._lines, self._agent, line, self._engines.callee, self._limits.is_over)
        activity = VoiceActivity()
        detection = asyncio.create_task(detect_voice(activity))
        try:
            transfer: FailedTransfer | None = None
            while True:
                end = await self._talk(agent, activity)
                if self._broke is not None:
                    raise self._broke
                if self.failed_transfer is transfer:
                    break
                transfer = self.failed_transfer
        finally:
            detection.cancel()
        self._callee.check_lines()
        self.ended_by = EndedBy.AGENT if end.ended_by is None else end.ended_by
        if end.ended_by is EndedBy.LIMIT:
            raise WentWrong(f"the call would be longer than {self._limits.seconds:g} s", None)

    async def _talk(self, agent: AgentCoroutine, activity: VoiceActivity) -> SessionEnd:
        """Until the audio ends, which it also does for a transfer."""

        async def conversation(live: LiveCall) -> None:
            try:
                await agent(cast(LiveCall, OverheardCall(live, self._agent)))
            except CallEnded:
                raise
            except Exception as error:
                self._broke = error
                raise

        engines = Engines(
            speech_to_text=self._engines.speech_to_text,
            text_to_speech=self._engines.agent,
            voice_activity=activity,
            closed=TimedClosedAnswers(),
            sounds=SoundsInMemory(),
        )
        facts = replace(self._facts, noted=dict(self.noted), failed_transfer=self.failed_transfer)
        session = Session(facts, conversation, engines, self._agent, self)
        session.answering.judged(Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC)))
        media_line = MediaLine(PlainCodec(), self._callee, Pacer(), session, lambda: None)
        self._agent.media_line = self._callee.media_line = session.media_line = media_line
        self._agent.since_ms = self.now_ms
        try:
            asyncio.get_running_loop().call_soon(self._callee.pick_up)
            end = await session.run(10.0)
        finally:
            media_line.close()
        self.noted = dict(session.noted)
        self.callee_responded |= bool(end.callee_responded)
        return end

    async def transfer(self, to: str, *, failed: str | None) -> None:
        """As the carrier's control does."""
        outcome = self._callee.transfer()
        self.transferred, self.transferred_to = outcome == TransferOutcome.ANSWERED, to
        raise_unless_connected(outcome, asked_first=False)
        if not self.transferred and failed is not None:
            self.failed_transfer = FailedTransfer(step=failed, to=to, result=TransferOutcome(outcome))

    async def can_consult(self) -> bool:
        return True

    async def consult(self, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        """As the carrier's control does: who is asked first answers at once."""
        outcome = self._callee.transfer()
        self.transferred, self.transferred_to = outcome == TransferOutcome.ANSWERED, to
        raise_unless_connected(outcome, asked_first=True)
        joining()

    async def call_back(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        """As the carrier's control does: it can be."""
        self.called_back |= promised

    def _texts(self) -> list[str]:
        said = [part for line in self._lines if isinstance(line, Says) for part in line.parts if isinstance(part, str)]
        return said + [line.says for line in self._lines if isinstance(line, Interrupts) and line.says]
