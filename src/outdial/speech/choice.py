"""Which vendor an agent speaks and is listened to with, as its author chose. What vendors there are: vendors.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OptionValue = str | float | bool | tuple[str, ...]  # whole numbers, too


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionChoice:
    """`vendor` is a name in vendors.VENDORS, and `options` are among those it takes; `line` is where it is chosen."""

    vendor: str
    model: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChoice:
    """The same of a voice; `model` is "" where the vendor's usual one is meant."""

    vendor: str
    voice: str
    model: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechChoice:
    """None: that of the process."""

    voice: VoiceChoice | None = None
    recognition: RecognitionChoice | None = None

    @property
    def vendors(self) -> Mapping[str, int]:
        """By their names, the first line that chooses each."""
        chosen = [one for one in (self.voice, self.recognition) if one is not None]
        return {one.vendor: one.line for one in sorted(chosen, key=lambda one: -one.line)}


NO_CHOICE = SpeechChoice()
