"""Openings of calls for the detector, without audio: who spoke when, what was said, which tones there were."""

from outdial.conversation.detection.evidence import Gathering
from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.detection.talk import WINDOW_MS, Span
from outdial.conversation.understanding.language import language_of
from outdial.media.tone_tracker import Tone, ToneKind

NEAR = 10**-2.2   # power; who talks behind is 18 dB below


def windows(*spoken, until_ms, power=NEAR, behind=()):
    """`spoken`, `behind`: from when to when somebody near, or further away, speaks."""
    heard = []
    for at_ms in range(WINDOW_MS, until_ms + 1, WINDOW_MS):
        near = any(start < at_ms <= end for start, end in spoken)
        far = any(start < at_ms <= end for start, end in behind)
        level = power if near else power * 10**-1.8 if far else 10**-7
        heard.append(Window(at_ms=at_ms, voice=0.95 if near or far else 0.02, power=level))
    return heard


def words(text, start_ms, end_ms, at_ms=None):
    return Words(at_ms=at_ms or end_ms + 500, span=Span(start_ms=start_ms, end_ms=end_ms), text=text)


def beep(start_ms, duration_ms=400, kind=ToneKind.BEEP, hz=(1000.0,)):
    return Tone(kind=kind, start_ms=start_ms, end_ms=start_ms + duration_ms, hz=hz)


def evidence(*heard, now_ms, language="en"):
    gathering = Gathering(language_of(language) if language else None)
    for one in heard:
        for each in one if isinstance(one, list) else [one]:
            gathering.take(each)
    return gathering.at(now_ms)
