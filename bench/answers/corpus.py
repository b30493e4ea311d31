"""The corpus: openings of calls as they arrive over a telephone, each with what it is. Seeded, so that it can be made
again; the two splits share no sentence, no name, no voice and no speaker of the noise behind."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.answers import sounds
from bench.answers.sounds import Rng, Wave, silence
from bench.answers.voices import Speaker, say, speakers
from outdial.media.frames import BYTES_PER_MS

OPENINGS = {
    split: said
    for name in ("openings.toml", "varied.toml")
    for split, said in tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8")).items()
}
TEXTS = tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))["texts"]
LONGEST_S = 15.0
SEEDS = {"train": 1701, "more": 2903, "varied": 3109, "test": 4242}
VOICES = {"train": "train", "more": "train", "varied": "varied", "test": "test"}
# Of a hundred openings of a split, how many are of each kind.
SHARES = {"human": 38, "machine": 31, "screening": 9, "menu": 8, "network": 6, "fax": 3, "silence": 2, "music": 3}
SHARES_OF = {
    "more": {"human": 18, "machine": 22, "screening": 28, "menu": 20, "network": 12},
    "varied": {"human": 30, "machine": 24, "screening": 18, "menu": 15, "network": 8, "music": 5},
}  # of the splits that have other ones
CATEGORIES = {"music": "unknown"}  # of the kinds that are no category themselves
OTHERS = ("es", "fr", "de")  # languages
TALK_BEHIND = 0.2  # of what people and voicemails say, how much has a television or people behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """`greeting_end_ms`: when the last word of what was said at first ends; None where nobody spoke. `beep_ms`: when
    the first beep begins, and how long it is."""

    name: str
    split: str
    kind: str
    category: str
    template: str  # what was said at first, its names not filled in
    language: str
    talk_behind: bool
    pcm: bytes
    greeting_end_ms: int | None
    beep_ms: tuple[int, int] | None

    @property
    def duration_ms(self) -> int:
        return len(self.pcm) // BYTES_PER_MS


def openings(split: str, places: Iterable[int], voices: Path) -> Iterator[Opening]:
    """`voices`: where what was synthesised is kept. An opening is the same whichever others are asked for."""
    for place in places:
        rng = np.random.default_rng((SEEDS[split], place))
        yield _opening(split, place, rng, voices)


def _opening(split: str, place: int, rng: Rng, voices: Path) -> Opening:
    shares = SHARES_OF.get(split, SHARES)
    kinds = list(shares)
    kind = str(rng.choice(kinds, p=[shares[one] / 100 for one in kinds]))
    made = _Made(split, kind, rng, voices)
    wave, talk_behind = made.line()
    return Opening(
        name=f"{split}-{place:04}-{made.name}",
        split=split,
        kind=made.name,
        category=CATEGORIES.get(kind, kind),
        template=made.template,
        language=made.language,
        talk_behind=talk_behind,
        pcm=sounds.telephone(wave, rng),
        greeting_end_ms=made.greeting_end_ms,
        beep_ms=made.beep_ms,
    )


def written() -> Iterator[tuple[str, str, str]]:
    """What English openings of the training splits say, and TEXTS: the category, the template, the words."""
    for split in ("train", "more", "varied"):
        fillings = OPENINGS[split]["fillings"]
        name, biz = fillings["names"][0], fillings["biz"][0]
        first, last = name.split()
        for kind in ("human", "machine", "screening", "menu", "network"):
            for template in (one for form, said in OPENINGS[split][kind].items() if form not in OTHERS for one in said):
                text = " ... ".join(template.split("|")[::2])
                yield kind, template, text.format(name=name, first=first, last=last, biz=biz, num="5 5 5 1 2")
    for kind, texts in TEXTS.items():
        yield from ((kind, text, text) for text in texts)


class _Made:
    """One opening in the making."""

    def __init__(self, split: str, kind: str, rng: Rng, voices: Path) -> None:
        self._split, self._kind, self._rng, self._voices = split, kind, rng, voices
        self.name = kind
        self.template = kind
        self.language = "en"
        self.greeting_end_ms: int | None = None
        self.beep_ms: tuple[int, int] | None = None
        self._level = float(rng.uniform(-32, -14))

    def line(self) -> tuple[Wave, bool]:
        wave = getattr(self, f"_{self._kind}")()[: sounds.seconds(LONGEST_S)]
        if self.greeting_end_ms is not None:
            self.greeting_end_ms = min(self.greeting_end_ms, round(LONGEST_S * 1000))
        wave, behind = self._with_noise(wave)
        return wave, behind

    # -- kinds ---------------------------------------------------------------------------------------------------

    def _human(self) -> Wave:
        said = self._said(self._text("human", ("short", "name", "pause", "business", "chatty"), (30, 15, 15, 18, 22)))
        start = silence(float(self._rng.choice([0.2, 0.4, 0.7, 1.0, 1.5, 2.5], p=[0.2, 0.25, 0.25, 0.15, 0.1, 0.05])))
        pieces = [start, said]
        self.greeting_end_ms = sum(map(len, pieces)) // 8
        while sum(map(len, pieces)) < sounds.seconds(9):
            pieces.append(silence(float(self._rng.uniform(2.2, 4.0))))
            pieces.append(self._said(str(self._rng.choice(OPENINGS[self._split]["human"]["follow_up"]))))
        return np.concatenate(pieces)

    def _machine(self) -> Wave:
        kinds = ("personal", "prank", "carrier", "full", "business", "es", "fr", "de")
        said = self._said(self._text("machine", kinds, (44, 5, 19, 6, 12, 6, 4, 4)))
        pieces = [silence(float(self._rng.uniform(0.2, 2.0)))]
        if self._rng.random() < 0.05:
            pieces = [sounds.at_level(sounds.beep(self._rng)[0], self._level), silence(0.4)]
        elif self._rng.random() < 0.05:
            pieces = [silence(3.0)]
        pieces.append(said)
        self.greeting_end_ms = sum(map(len, pieces)) // 8
        if self.name == "machine-full" or self._rng.random() < 0.15:
            return np.concatenate([*pieces, silence(4)])
        pieces.append(silence(float(self._rng.uniform(0.2, 1.5))))
        tone, duration_s = sounds.beep(self._rng)
        self.beep_ms = (sum(map(len, pieces)) // 8, round(duration_s * 1000))
        pieces.append(sounds.at_level(tone, self._level + float(self._rng.uniform(-8, 6))))
        return np.concatenate([*pieces, silence(4)])

    def _screening(self) -> Wave:
        said = self._said(self._text("screening", ("any",), (1,)))
        pieces = [silence(float(self._rng.uniform(0.2, 1.2))), said]
        self.greeting_end_ms = sum(map(len, pieces)) // 8
        if self._rng.random() < 0.4:
            pieces += [silence(0.3), sounds.at_level(sounds.beep(self._rng)[0], self._level)]
        return np.concatenate([*pieces, silence(5)])

    def _menu(self) -> Wave:
        said = self._said(self._text("menu", ("any",), (1,)))
        pieces = [silence(float(self._rng.uniform(0.2, 1.5))), said]
        self.greeting_end_ms = sum(map(len, pieces)) // 8
        return np.concatenate([*pieces, silence(4)])

    def _network(self) -> Wave:
        said = self._said(self._text("network", ("any",), (1,)))
        pieces = [silence(float(self._rng.uniform(0.1, 1.0)))]
        if self._rng.random() < 0.6:
            pieces += [sounds.at_level(sounds.sit(self._rng), self._level + 3), silence(0.4)]
        pieces.append(said)
        self.greeting_end_ms = sum(map(len, pieces)) // 8
        return np.concatenate([*pieces, silence(1.0), said, silence(1.0)])

    def _fax(self) -> Wave:
        start = silence(float(self._rng.uniform(0.2, 2.0)))
        if self._rng.random() < 0.6:
            wave = np.concatenate((sounds.tone((2100,), float(self._rng.uniform(2.6, 4))), silence(2)))
        else:
            wave = np.concatenate([sounds.tone((1100,), 0.5), silence(3)] * 3)
        return np.concatenate((start, sounds.at_level(wave, self._level)))

    def _silence(self) -> Wave:
        return silence(10.0)

    def _music(self) -> Wave:
        music = sounds.tune if self._split == "varied" else sounds.music
        return sounds.at_level(music(12.0, self._rng), self._level)

    # -- words ---------------------------------------------------------------------------------------------------

    def _text(self, kind: str, forms: tuple[str, ...], weights: tuple[int, ...]) -> str:
        form = str(self._rng.choice(forms, p=np.array(weights) / sum(weights)))
        if form not in OPENINGS[self._split][kind]:  # not of every form there is more
            form = str(self._rng.choice(list(OPENINGS[self._split][kind])))
        if form in OTHERS:
            self.language = form
        if form != "any":
            self.name = f"{kind}-{form}"
        self.template = str(self._rng.choice(OPENINGS[self._split][kind][form]))
        return self.template

    def _said(self, text: str) -> Wave:
        fillings: dict[str, Any] = OPENINGS[self._split]["fillings"]
        name = str(self._rng.choice(fillings["names"]))
        first, last = name.split()
        number = " ".join(str(digit) for digit in self._rng.integers(0, 10, 10))
        text = text.format(name=name, first=first, last=last, biz=self._rng.choice(fillings["biz"]), num=number)
        speaker = self._speaker(self.language)
        pieces = []
        for place, part in enumerate(text.split("|")):
            # Every second part is how long a pause is.
            pieces.append(silence(int(part) / 10) if place % 2 else say(speaker, part.strip(), self._voices))
        return sounds.at_level(np.concatenate(pieces), self._level)

    def _speaker(self, language: str) -> Speaker:
        voices = VOICES[self._split]
        there = speakers(voices, language) or speakers(voices)
        likely = np.array([1.0 if one.engine == "espeak-ng" else 2.5 for one in there])
        return there[int(self._rng.choice(len(there), p=likely / likely.sum()))]

    # -- what is behind ------------------------------------------------------------------------------------------

    def _with_noise(self, wave: Wave) -> tuple[Wave, bool]:
        noise = sounds.noise(str(self._rng.choice(["white", "pink", "hum", "street"])), len(wave), self._rng)
        is_by_people = self._kind in ("human", "machine")
        ratio = float(self._rng.uniform(15, 38) if is_by_people else self._rng.uniform(25, 45))
        out = wave + sounds.at_level(noise, self._level - ratio)
        if not is_by_people or self._rng.random() >= TALK_BEHIND:
            return np.asarray(out, dtype=np.float32), False
        below = float(self._rng.uniform(14, 22))
        return np.asarray(out + sounds.at_level(self._babble(len(wave)), self._level - below), dtype=np.float32), True

    def _babble(self, count: int) -> Wave:
        """A television, somebody who talks in the room, or several people at once."""
        said = OPENINGS[self._split]
        kinds = ("menu", "network", "machine", "human")
        texts = [one for kind in kinds for form in said[kind].values() for one in form]
        layers = []
        for _ in range(int(self._rng.choice([1, 1, 3]))):
            pieces = [silence(float(self._rng.uniform(0, 1)))]
            while sum(map(len, pieces)) < count:
                pieces += [self._said_behind(str(self._rng.choice(texts))), silence(float(self._rng.uniform(0.1, 1.2)))]
            layers.append(np.concatenate(pieces)[:count])
        return np.asarray(np.sum(layers, axis=0), dtype=np.float32)

    def _said_behind(self, text: str) -> Wave:
        name = str(self._rng.choice(OPENINGS[self._split]["fillings"]["names"]))
        plain = " ".join(part for part in text.split("|") if not part.strip().isdigit())
        filled = plain.format(name=name, first=name.split()[0], last=name.split()[1], biz="the store", num="5 5 5")
        return say(self._speaker("en"), filled, self._voices)
