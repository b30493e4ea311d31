"""What a live call is given: its facts, the engines every call shares, and what it may ask of its carrier."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from outdial.conversation.endpointing import Endpointing, WordEndpointing
from outdial.conversation.gates import NO_GATES, Gates
from outdial.conversation.languages import NO_OTHERS, LanguageEngines
from outdial.conversation.live_call import LiveCall
from outdial.conversation.opening import AfterHello, Greet, Opening
from outdial.conversation.turn_words import TurnWords
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.verb_results import FailedTransfer
from outdial.conversation.warm import Warm
from outdial.media.sounds import NoSounds, Sounds
from outdial.media.voice_activity import VoiceActivity
from outdial.speech.base import (
    CallRecognition,
    ClosedSpeechToText,
    SpeechToText,
    StreamingSpeechToText,
    TextToSpeech,
)
from outdial.speech.by_utterance import call_recognition
from outdial.speech.reading.reader import AMERICAN, Reading
from outdial.speech.switched_recognition import SwitchedRecognition
from outdial.telephony.state import CallDirection
from outdial.telephony.verdict import DetectedBy

HOLD_S = 30.0  # of silence, for a callee who asked for a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePolicy:
    """What to do when a machine answers: `action` is hang_up, leave_message or continue; `message` words what is
    left ("" when there is nothing to say). `max_wait_s`: how long a verdict may take; None without detection, which is
    done `by` our own detector, the carrier or both. `gates`: what is done at services that stand before the callee."""

    action: str = "hang_up"
    message: Callable[[LiveCall], str] = lambda call: ""
    max_wait_s: float | None = None
    gates: Gates = NO_GATES
    by: DetectedBy = DetectedBy.CARRIER


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaking:
    """How an agent takes turns: what decides, in which language, and for how long it waits (None: it doesn't)."""

    words: TurnWords
    endpointing: Endpointing
    opening: Opening | None = None  # when it speaks first; None: at once
    hold_s: float | None = HOLD_S  # in silence, for a callee who asked for a moment
    filler_s: float | None = 1.2   # for the agent; then the callee is told that it takes a moment


def turn_taking_of(language: str, *, greet: Greet = Greet.AT_ONCE, hold_s: float = HOLD_S) -> TurnTaking:
    """As usual in a language (a BCP 47 tag)."""
    words = turn_phrases(language)
    opening = None if greet is Greet.AT_ONCE else AfterHello(words)
    return TurnTaking(words=words, endpointing=WordEndpointing(words), opening=opening, hold_s=hold_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """`variables` were sent with the call; `noted` is what was noted in it so far, in earlier attempts."""

    call_id: str
    direction: CallDirection
    user_number: str
    agent_number: str
    max_duration_s: float
    variables: Mapping[str, Any] = field(default_factory=dict)
    noted: Mapping[str, Any] = field(default_factory=dict)
    failed_transfer: FailedTransfer | None = None  # the call is back from it: this is no beginning
    machine: MachinePolicy = MachinePolicy()
    reading: Reading = AMERICAN  # how the agent says what is written
    turn_taking: TurnTaking = field(default_factory=lambda: turn_taking_of(AMERICAN.language))
    notice: str | None = None  # said before the agent's first words: that somebody may listen
    late_ms: int = 0  # how long the callee had picked up when its audio came to us

    @property
    def is_beginning(self) -> bool:
        """Whether somebody was called who now picks up. A caller has heard it ring, and waits to be greeted."""
        return self.direction is CallDirection.OUTBOUND and self.failed_transfer is None


def last_event(facts: CallFacts) -> dict[str, Any]:
    """What has brought the call to the agent."""
    payload = {
        "callType": facts.direction.value,
        "userNumber": facts.user_number,
        "agentNumber": facts.agent_number,
    }
    failed = facts.failed_transfer
    if failed is None:
        return {"type": "launch", "payload": payload}
    return {"type": "transfer_failed", "payload": {**payload, "to": failed.to, "result": failed.result.value}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a live call hears and speaks with. Engines are shared by all calls of an agent, and mostly by all agents.
    `languages`: those of this call for other languages."""

    speech_to_text: SpeechToText | StreamingSpeechToText
    text_to_speech: TextToSpeech
    voice_activity: VoiceActivity
    closed: ClosedSpeechToText | None = None  # asked when words answered nothing; None: such words are asked for again
    sounds: Sounds = field(default_factory=NoSounds)
    languages: LanguageEngines = NO_OTHERS

    def of_call(self) -> "CallEngines":
        """For one call, which closes its recognition in the end. On the event loop."""
        recognition = call_recognition(self.speech_to_text)
        return CallEngines(
            recognition=recognition if self.languages is NO_OTHERS else SwitchedRecognition(recognition),
            text_to_speech=self.text_to_speech,
            voice_activity=self.voice_activity,
            closed=self.closed,
            sounds=self.sounds,
            languages=self.languages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEngines:
    """Engines as one call has them."""

    recognition: CallRecognition
    text_to_speech: TextToSpeech
    voice_activity: VoiceActivity
    closed: ClosedSpeechToText | None = None
    sounds: Sounds = field(default_factory=NoSounds)
    languages: LanguageEngines = NO_OTHERS

    def hear_with(self, engine: SpeechToText | StreamingSpeechToText) -> None:
        """From the callee's next utterance on."""
        assert isinstance(self.recognition, SwitchedRecognition)
        self.recognition.switch(call_recognition(engine))


class CarrierControl(Protocol):
    """What a live call can ask of its carrier."""

    async def transfer(self, to: str, *, failed: str | None) -> None:
        """Connect the callee to another number; `failed` as in live_call.LiveCall.transfer. Raises TransferFailed."""
        ...

    async def can_consult(self) -> bool:
        """Whether somebody can be asked before the callee is connected to them."""
        ...

    async def consult(self, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        """Ask somebody, and connect the callee with them; `joining` is called when that begins. Raises TransferFailed
        when they don't take it. Cancelled before that, nobody is asked any more."""
        ...

    async def call_back(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        """As live_call.LiveCall.call_back, with what is noted. Raises CallBackRefused."""
        ...
