"""What is known of a speech vendor, in one value: its folder's `vendor.py` has it, and vendors.py lists them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from outdial.speech.base import SpeechToText, StreamingSpeechToText, TextToSpeech
from outdial.speech.choice import RecognitionChoice, VoiceChoice


class KeyMissing(Exception):
    """Nobody has set the key that a vendor wants. The message says which, and never holds a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a vendor is reached for one workspace. `url` has no slash at its end and begins with http:// or https://,
    also where websockets are opened under it. `key` gives the key as it is now, "" where none is needed; it raises
    KeyMissing, and what the database raises. Asked for each connection: a key that is replaced counts from the next
    one on."""

    url: str
    key: Callable[[], Awaitable[str]] = field(repr=False)

    @property
    def socket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")


class OptionKind(StrEnum):
    TEXT = "text"
    TEXTS = "texts"  # a list; a single text is a list of one
    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of a vendor's, mostly under its own name there. `least` and `most` are of numbers; `one_of` of texts.
    `models`: how the names of the models begin that take it, "" for all. `not_above`: another option of numbers, which
    it must not exceed, and what that is where nobody says."""

    kind: OptionKind
    least: float = 0
    most: float = 1
    one_of: tuple[str, ...] = ()
    models: str = ""
    not_above: tuple[str, float] | None = None


class PriceUnit(StrEnum):
    """What a vendor's price is for."""

    AUDIO = "audio"            # a minute of audio
    OPEN = "open"              # a minute that a session is open, whatever is said in it
    CHARACTERS = "characters"  # a thousand of them
    TOKENS = "tokens"          # a million of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """`models`: those that are known here; another one is asked for all the same. `open` makes the engine of an agent
    with that choice and that language (BCP 47); it connects to nobody yet. `only`: the languages (such as "en") of the
    models that have no other one."""

    models: tuple[str, ...]
    unit: PriceUnit
    open: Callable[[RecognitionChoice, Access, str], SpeechToText | StreamingSpeechToText]
    options: Mapping[str, Option] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesiser:
    """As Recogniser. `voice_is_model`: the vendor's voices are models, and there is no other model to name. `voices`:
    some of them, the first one to try a key with; another one is asked for all the same. `only`: the language that the
    name of a voice says that it speaks, "" where it says none."""

    unit: PriceUnit
    open: Callable[[VoiceChoice, Access, str], TextToSpeech]
    voices: tuple[str, ...]
    models: tuple[str, ...] = ()
    voice_is_model: bool = False
    only: Callable[[str], str] = lambda voice: ""
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """`name` is what agents write, `title` what people read; `key_name` is the workspace's secret with its key. `url`:
    the vendor's own; an operator may name another (settings: speech_vendors), which needs no key where `keyless`.
    `realtime`: it also has models that hear and speak themselves, which lead calls (agents/realtime)."""

    name: str
    title: str
    key_name: str
    url: str
    recogniser: Recogniser | None = None
    synthesiser: Synthesiser | None = None
    keyless: bool = False
    realtime: bool = False
