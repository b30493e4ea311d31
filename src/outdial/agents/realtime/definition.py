"""What a realtime agent is once parsed."""

from dataclasses import dataclass, field
from enum import StrEnum

from outdial.agents.llm.definition import LlmAgent

BASE_URL = "https://api.openai.com/v1"
MODEL = "gpt-realtime"
VOICE = "marin"
TRANSCRIPTION = "gpt-4o-mini-transcribe"
SILENCE_MS = 500
NO_REPLY_S = 8.0
ANSWER_S = 12.0


class TurnDetection(StrEnum):
    """By what the server decides that the callee has finished."""

    SILENCE = "silence"  # server_vad
    MEANING = "meaning"  # semantic_vad


class Eagerness(StrEnum):
    """How soon, by meaning."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


class NoiseReduction(StrEnum):
    """For what the server takes the callee's phone."""

    NEAR = "near_field"
    FAR = "far_field"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeAgent(LlmAgent):
    """`api_key` is the name of the secret with the key of the server at `base_url`. `model_voice`: what it speaks with;
    what is said word for word is said by the agent's own. `transcription`: the model that writes the callee's words
    down. `silence_ms`: how much ends a turn, by silence. `answer_s`: what an answer may take; `no_reply_s`: what the
    callee may."""

    api_key: str
    base_url: str = BASE_URL
    base_url_line: int = field(default=0, compare=False)
    model: str = MODEL
    model_voice: str = VOICE
    speed: float = 1.0
    transcription: str = TRANSCRIPTION
    turn_detection: TurnDetection = TurnDetection.SILENCE
    silence_ms: int = SILENCE_MS
    eagerness: Eagerness = Eagerness.AUTO
    noise_reduction: NoiseReduction | None = None
    no_reply_s: float = NO_REPLY_S
    answer_s: float = ANSWER_S

    @property
    def reached(self) -> tuple[str, int]:
        return self.base_url, self.base_url_line
