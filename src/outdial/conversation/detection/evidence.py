"""Evidence of who answered: what was heard so far, put together, and said in words that a person understands. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from outdial.conversation.detection.heard import Heard, Window, Words
from outdial.conversation.detection.talk import WINDOW_MS, Spoken, Talk
from outdial.conversation.detection.wording import LIKE, NOTHING_SAID, wording
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.recorded import (
    ABSENT,
    ANNOUNCES,
    ASKS_NAME,
    ASKS_WHY,
    CALL_BACK,
    CHOICE,
    FULL,
    INSTRUCTS,
    LEAVE,
    LIVE,
    MAILBOX,
    NO_LINE,
    PERSONAL,
    PRESS,
    REACHED,
    SCREENS,
    TONE,
    answering,
    cues,
)
from outdial.media.tone_tracker import Tone, ToneKind
from outdial.telephony.verdict import AnsweredBy

OF_MACHINES = (LEAVE, TONE, MAILBOX, FULL, INSTRUCTS, ABSENT, ANNOUNCES, CALL_BACK, REACHED)
OF_SCREENING = (ASKS_NAME, ASKS_WHY, SCREENS)
OF_MENUS = (PRESS, CHOICE)
OF_NETWORK = (NO_LINE,)
OF_PEOPLE = (LIVE, PERSONAL)
PAUSE_MS = 500            # between two things somebody says
LONG_TALK_MS = 5500       # without such a pause: people answer with less
BEFORE_BEEP_MS = 900      # of talk: a greeting
BEEPS_OF_MUSIC = 3        # so many are none
BEHIND_MS = 450           # of somebody else's talk while the callee paused
AFTER_BEEP_MS = 1500      # of nobody's talk: it records
LIKE_A_TAPE, SURELY_A_TAPE, LIKE_WORDS = 0.75, 0.9, 5  # wording, and in how many words it tells; …
LIKE_ITS_WORDS = 0.6      # … and what is told of any category
SAME_START_MS = 300       # of one utterance, recognised twice
NO_VOICE, SOUND_POWER = 0.3, 10**-4.2  # of what is no voice and no quiet line either


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The words so far: what in them belongs to whom, by the kind of phrase."""

    text: str = ""
    words: tuple[str, ...] = ()
    asked: int = 0                       # questions
    cues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settled: AnsweredBy | None = None    # who says this, where the words alone settle it
    hello: bool = False
    known: int = 0                       # how often words were recognised
    like: tuple[float, ...] = NOTHING_SAID  # how much their wording is each category's

    def kinds(self, of: Sequence[str]) -> list[str]:
        return [kind for kind in of if kind in self.cues]

    @property
    def of_machines(self) -> bool:
        """Whether anything was said that recordings say."""
        return bool(self.kinds((*OF_MACHINES, *OF_SCREENING, *OF_MENUS, *OF_NETWORK)))

    def is_like(self, category: AnsweredBy) -> float:
        """How much their wording is that category's: 0 to 1."""
        return self.like[LIKE.index(category)] if category in LIKE else 0.0

    @property
    def loops(self) -> float:
        """How much is said again: an English recogniser answers other languages in loops."""
        pairs = list(zip(self.words, self.words[1:], strict=False))
        return 0.0 if len(pairs) < 4 else 1 - len(set(pairs)) / len(pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it at one moment. `words_known`: whether anybody recognises words of this language."""

    spoken: Spoken
    said: Said
    tones: tuple[Tone, ...]
    sound_ms: int
    words_known: bool

    @property
    def beep(self) -> Tone | None:
        """The last one, after a greeting."""
        beeps = [tone for tone in self.tones if tone.kind is ToneKind.BEEP]
        if not beeps or len(beeps) >= BEEPS_OF_MUSIC:
            return None
        before_ms = sum(min(span.end_ms, beeps[-1].start_ms) - span.start_ms for span in self.spoken.spans
                        if span.start_ms < beeps[-1].start_ms)  # fmt: skip
        return beeps[-1] if before_ms >= BEFORE_BEEP_MS else None

    def has(self, kind: ToneKind) -> bool:
        return any(tone.kind is kind for tone in self.tones)

    @property
    def is_quiet_after_beep(self) -> bool:
        beep = self.beep
        if beep is None or self.spoken.now_ms - beep.end_ms < AFTER_BEEP_MS:
            return False
        return self.spoken.spans[-1].end_ms <= beep.end_ms + 100

    @property
    def long_talk_ms(self) -> int:
        """The longest that was said without a pause, if it is long."""
        longest = max((run.duration_ms for run in self.spoken.runs(PAUSE_MS)), default=0)
        return longest if longest >= LONG_TALK_MS else 0

    @property
    def talk_behind(self) -> bool:
        return self.spoken.apart_ms >= BEHIND_MS

    @property
    def awaits_words(self) -> bool:
        """Whether something was said whose words aren't known yet."""
        return self.words_known and bool(self.spoken.spans) and self.said.known == 0

    def machine_cues(self) -> int:
        """Independent ones; two phrases that settle it are two."""
        cues = (self.beep is not None) + self.is_quiet_after_beep + (self.long_talk_ms > 0)
        cues += any(map(self.has, (ToneKind.SIT, ToneKind.BUSY)))
        if self.said.settled in (AnsweredBy.MACHINE, AnsweredBy.NETWORK):
            return cues + 2
        return cues + self._cues_of_words()

    def _cues_of_words(self) -> int:
        """Of phrases, two at most. The wording of all that was said is one where no phrase is heard, and a second one
        beside a voicemail's own phrase, if nothing in it is what people say."""
        said = self.said
        phrases = min(2, len(said.kinds((*OF_MACHINES, *OF_NETWORK))))
        if phrases == 2 or len(said.words) < LIKE_WORDS:
            return phrases
        if phrases == 0:
            return int(said.is_like(AnsweredBy.MACHINE) + said.is_like(AnsweredBy.NETWORK) >= LIKE_A_TAPE)
        is_voicemails = bool(said.kinds((LEAVE, TONE, MAILBOX, FULL, INSTRUCTS))) and LIVE not in said.cues
        return 2 if is_voicemails and said.is_like(AnsweredBy.MACHINE) >= SURELY_A_TAPE else 1

    def in_words(self, category: AnsweredBy) -> tuple[str, ...]:
        """What speaks for it, the plainest first."""
        told = [
            f"{_TONES[tone.kind]} at {tone.start_ms / 1000:.1f} s, {_hz(tone)}"
            for tone in self.tones
            if tone.kind in _TONES_OF.get(category, ()) and (tone.kind is not ToneKind.BEEP or tone is self.beep)
        ]
        for kind in _WORDS_OF.get(category, ()):
            told += [f"said '{words}'" for words in self.said.cues.get(kind, ())[:1]]
        if not told and category in _WORDED and self.said.is_like(category) >= LIKE_ITS_WORDS:
            told.append(f"worded like {_WORDED[category]}")
        if category in (AnsweredBy.MACHINE, AnsweredBy.NETWORK, AnsweredBy.MENU) and self.long_talk_ms:
            told.append(f"spoke {self.long_talk_ms / 1000:.0f} s without a pause")
        if category is AnsweredBy.MACHINE and self.is_quiet_after_beep:
            told.append("silence after the beep")
        if category is AnsweredBy.HUMAN:
            told += self._of_a_person()
        if category in (AnsweredBy.SILENCE, AnsweredBy.UNKNOWN) and not self.spoken.spans:
            told.append(f"nobody spoke in {self.spoken.now_ms / 1000:.0f} s")
        if self.talk_behind:
            told.append("somebody talks in the background")
        if not self.words_known:
            told.append("words not known in this language")
        return tuple(told)

    def _of_a_person(self) -> list[str]:
        told = []
        if self.said.hello:
            told.append("said hello")
        if self.said.asked:
            told.append("asked a question")
        if self.spoken.spans:
            first = self.spoken.runs(PAUSE_MS)[0]
            told.append(f"spoke {first.duration_ms / 1000:.1f} s, then paused")
        return told


_TONES = {
    ToneKind.BEEP: "beep",
    ToneKind.SIT: "information tone",
    ToneKind.FAX: "fax tone",
    ToneKind.BUSY: "busy tone",
}
_TONES_OF = {
    AnsweredBy.MACHINE: (ToneKind.BEEP,),
    AnsweredBy.SCREENING: (ToneKind.BEEP,),
    AnsweredBy.NETWORK: (ToneKind.SIT, ToneKind.BUSY),
    AnsweredBy.FAX: (ToneKind.FAX,),
}
_WORDS_OF = {
    AnsweredBy.MACHINE: OF_MACHINES,
    AnsweredBy.SCREENING: OF_SCREENING,
    AnsweredBy.MENU: OF_MENUS,
    AnsweredBy.NETWORK: (*OF_NETWORK, ANNOUNCES),
    AnsweredBy.HUMAN: OF_PEOPLE,
}

_WORDED = {
    AnsweredBy.MACHINE: "a voicemail",
    AnsweredBy.SCREENING: "a screening service",
    AnsweredBy.MENU: "a menu",
    AnsweredBy.NETWORK: "an announcement of the network",
}


def _hz(tone: Tone) -> str:
    return " and ".join(f"{round(hz)}" for hz in tone.hz) + " Hz"


class Gathering:
    """One call's evidence as it comes. `language` None: nobody recognises its words, or knows its phrases."""

    def __init__(self, language: Language | None) -> None:
        self.talk = Talk()
        self._language = language
        self._tones: list[Tone] = []
        self._utterances: dict[int, str] = {}  # by when they began
        self._known = 0
        self._said = Said()
        self._sound_ms = 0

    def take(self, heard: Heard) -> None:
        match heard:
            case Window(at_ms=at_ms, voice=voice, power=power):
                self.talk.window(at_ms, voice, power)
                self._sound_ms += WINDOW_MS if voice < NO_VOICE and power > SOUND_POWER else 0
            case Tone():
                self._tones.append(heard)
            case Words(span=span, text=text):
                self._known += 1
                for start_ms in [one for one in self._utterances if abs(one - span.start_ms) <= SAME_START_MS]:
                    del self._utterances[start_ms]
                self._utterances[span.start_ms] = text
                self._said = self._understood()

    def at(self, now_ms: int) -> Evidence:
        return Evidence(
            spoken=self.talk.spoken(now_ms),
            said=self._said,
            tones=tuple(self._tones),
            sound_ms=self._sound_ms,
            words_known=self._language is not None,
        )

    def _understood(self) -> Said:
        text = " ... ".join(said for _, said in sorted(self._utterances.items()) if said)
        language = self._language
        if language is None:
            return Said(text=text, known=self._known)
        said = language.utterance(text)
        own_wording = wording(language.tag)
        return Said(
            text=text,
            words=said.words,
            asked=len(said.asked),
            cues=cues(said, language),
            settled=answering(said, language),
            hello=any(found.start <= 2 for found in language.greetings.find(said.words)),
            known=self._known,
            like=NOTHING_SAID if own_wording is None else own_wording.like(said.words),
        )
