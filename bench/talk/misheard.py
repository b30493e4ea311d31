"""`python -m bench.talk.misheard`: where the weights of `conversation/closed_verdict.py` come from.

Answers and what people say instead, of voices and words that are not those of the situation `misheard`: what the first
recogniser got wrong goes through the closed one, and a logistic regression weighs its signs. Takes minutes.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.talk import voices
from outdial.conversation.closed_verdict import MOST_LEAD, MOST_MORE_ALIKE, SURE, sureness
from outdial.conversation.understanding.closed_answers import closed, may_be_misheard
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Option, Question
from outdial.conversation.understanding.understand import understand
from outdial.media.frames import FRAME_SAMPLES
from outdial.speech.base import Closest
from outdial.speech.closed_answers import ClosedAnswers
from outdial.speech.offline import OfflineSpeechToText
from outdial.testing.callee_voice import Samples
from outdial.testing.line_audio import Line, LineAudio

VOICES = ("hibari-small", "awb", "joe")
LINES = (Line(), Line(noise_db=20))
QUIET_BEFORE, QUIET_AFTER = 16, 20  # frames
LESS = 1.0  # how much smaller weights are preferred
ENGLISH = language_of("en")

ANSWERS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("yes", "no"): (
        "Yeah.", "Yep.", "Sure.", "That's fine.", "Of course.", "Okay.", "Absolutely.", "Nope.", "No, thanks.",
        "No, I can't.", "I'm afraid not.", "No way.",
    ),
    ("monday", "tuesday", "wednesday"): ("Monday.", "Tuesday.", "Wednesday.", "On Monday.", "Wednesday, please."),
    ("one", "two", "three", "four", "five"): ("One.", "Two.", "Three.", "Four.", "Five.", "I'd say four."),
    ("sales", "support", "billing"): ("Sales.", "Support.", "Billing.", "I need support."),
    ("keep", "change", "cancel"): ("Keep it.", "Change.", "Cancel.", "I want to cancel."),
    ("morning", "evening"): ("Morning.", "Evening.", "In the morning."),
    ("red", "green", "blue"): ("Red.", "Green.", "Blue.", "The green one."),
    ("january", "april", "july"): ("January.", "April.", "July.", "In July."),
}  # fmt: skip
INSTEAD = (
    "Who is calling?", "I don't know.", "Can you repeat that?", "My husband does that.", "What is this about?",
    "Hello?", "I'm driving right now.", "Is this a robot?", "I have no idea.", "Excuse me?",
    "It depends.", "Neither of them.", "Another time.", "None.", "Whatever.", "Well.", "Go ahead.", "Speaking.",
    "Both.", "Maybe.", "Sorry?", "Tell me more.", "My dog is barking.", "What time is it?", "Operator.",
    "The other one.",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    found: Closest
    answered: bool
    right: bool


def signs(found: Closest) -> list[float]:
    more_alike = max(-MOST_MORE_ALIKE, min(MOST_MORE_ALIKE, found.alike - found.other_alike))
    return [1.0, found.alike, more_alike, min(MOST_LEAD, found.lead) / 1000, found.fit]


async def samples() -> list[Sample]:
    return [sample for voice in VOICES for line in LINES for sample in await _of(voice, line)]


async def _of(voice: str, line: Line) -> list[Sample]:
    taken = []
    for words, text, answered in _said():
        question = Question(options=[Option(words=[word]) for word in words])
        pcm = over(line, voices.speech(voice, text))
        first = OfflineSpeechToText().recognition()
        first.feed(pcm)
        heard = await first.text()
        asked = closed(question, ENGLISH)
        if asked is None or not may_be_misheard(heard, understand(heard, question, ENGLISH), ENGLISH):
            continue
        second = ClosedAnswers().recognition()
        second.feed(pcm)
        if found := await second.closest(asked.answers, heard):
            meant = understand(text, question, ENGLISH).option
            right = answered and found.answer == meant
            taken.append(Sample(found=found, answered=answered, right=right))
    return taken


def _said() -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Answers, text, and whether it is one of them."""
    for words, texts in ANSWERS.items():
        for text in texts:
            yield words, text, True
    questions = list(ANSWERS)
    for place, text in enumerate(INSTEAD):
        yield questions[place % len(questions)], text, False


def over(line: Line, said: Samples, *, quiet_after: int = QUIET_AFTER) -> bytes:
    """What reaches us of it, with a quiet line around it: so many frames of it after."""
    audio = LineAudio(line, None, seed=1)
    before, after = (np.zeros(count * FRAME_SAMPLES, np.float32) for count in (QUIET_BEFORE, quiet_after))
    whole = np.concatenate((before, said, after))
    frames = np.pad(whole, (0, -len(whole) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    return b"".join(audio.frame(frame, np.zeros(FRAME_SAMPLES, np.float32)) for frame in frames)


def weights(of: list[Sample]) -> list[float]:
    """Of `signs`, by Newton's method on signs brought to one scale."""
    given = np.array([signs(sample.found) for sample in of])
    right = np.array([sample.right for sample in of], dtype=float)
    middle, spread = given.mean(axis=0), given.std(axis=0)
    middle[0], spread[spread == 0] = 0.0, 1.0
    scaled = (given - middle) / spread
    found = np.zeros(scaled.shape[1])
    less = LESS * np.eye(len(found))
    less[0, 0] = 0.0
    for _ in range(100):
        likely = 1 / (1 + np.exp(-scaled @ found))
        curve = (scaled * (likely * (1 - likely))[:, None]).T @ scaled + less
        found += np.linalg.solve(curve + 1e-9 * np.eye(len(found)), scaled.T @ (right - likely) - less @ found)
    per = found / spread
    per[0] = found[0] - float((found[1:] * middle[1:] / spread[1:]).sum())
    return [float(one) for one in per]


def main() -> None:
    voices.prepare({(voice, text) for voice in VOICES for _, text, _ in _said()})
    of = asyncio.run(samples())
    names = ("base", "alike", "more alike", "lead of 1000", "fit")
    print({name: round(value, 3) for name, value in zip(names, weights(of), strict=True)})
    for least in (0.0, 0.5, SURE, 1.0, 1.5):
        sure = [sample for sample in of if sureness(sample.found) >= least]
        right, wrong = sum(one.right for one in sure), sum(one.answered and not one.right for one in sure)
        instead = sum(not one.answered for one in sure)
        print(f"with the weights there are, at {least}: right {right}, wrong {wrong}, taken for an answer {instead}")
    print(f"of {sum(one.answered for one in of)} answers and {sum(not one.answered for one in of)} others")


if __name__ == "__main__":
    main()
