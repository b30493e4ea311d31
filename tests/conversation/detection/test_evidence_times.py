"""Each word of evidence that has an instant is found again in what was heard."""

import pytest

from outdial.conversation.detection.evidence import Evidence, Gathering
from outdial.conversation.detection.evidence_times import heard_ms
from outdial.conversation.detection.heard import Words
from outdial.conversation.detection.talk import Span, Spoken
from outdial.conversation.understanding.language import ENGLISH, language_of
from outdial.media.tone_tracker import Tone, ToneKind
from outdial.telephony.verdict import AnsweredBy

LANGUAGE = language_of(ENGLISH)
GREETING, REST = Span(start_ms=800, end_ms=4800), Span(start_ms=5600, end_ms=11_600)
BEEP = Tone(kind=ToneKind.BEEP, start_ms=12_040, end_ms=12_440, hz=(1000.0,))
SAID = (
    Words(at_ms=5000, span=GREETING, text="Hello. You've reached Jane."),
    Words(at_ms=12_000, span=REST, text="I can't come to the phone. Leave a message. Okay?"),
)


def evidence(*tones, spans=(GREETING, REST), said=SAID, now_ms=15_000):
    gathering = Gathering(LANGUAGE)
    for words in said:
        gathering.take(words)
    spoken = Spoken(now_ms=now_ms, spans=spans, behind_ms=0, level_dbfs=-20.0)
    return Evidence(spoken=spoken, said=gathering.at(now_ms).said, tones=tones, sound_ms=0, words_known=True)


def found(*told, of=None, language=LANGUAGE):
    return heard_ms(told, of or evidence(BEEP), SAID, language)


@pytest.mark.parametrize(
    ("told", "at_ms"),
    [
        ("beep at 12.0 s, 1000 Hz", 12_000),
        ("busy tone at 3.5 s, 480 and 620 Hz", 3500),
        ("silence after the beep", 12_440),
        ("silence after the greeting", 11_600),
        ("waits for an answer", 5600),
        ("said hello", 800),
        ("spoke 4.0 s, then paused", 800),
        ("spoke 6 s without a pause", 5600),
        ("asked a question", 5600),
    ],
)
def test_it_has_the_instant_at_which_it_was_heard(told, at_ms):
    assert found(told) == {told: at_ms}


def test_words_are_placed_within_their_utterance_by_their_letters():
    told = "said 'leave a message'"
    assert 5600 + 3000 < found(told)[told] < 5600 + 4500
    assert found(told, language=None) == {}


def test_a_contraction_is_found_as_it_was_understood():
    (told,) = evidence(spans=()).in_words(AnsweredBy.MACHINE)[:1]
    assert found(told)[told] >= 5600


@pytest.mark.parametrize("told", ["somebody talks in the background", "words not known in this language", "said 'x'"])
def test_what_has_no_instant_is_left_out(told):
    assert found(told) == {}


def test_of_what_is_told_of_a_voicemail_everything_has_its_instant():
    of = evidence(BEEP)
    told = of.in_words(AnsweredBy.MACHINE)
    assert "silence after the beep" in told
    assert set(found(*told, of=of)) == set(told)


def test_who_said_nothing_did_so_at_no_instant():
    of = evidence(spans=(), said=(), now_ms=2000)
    assert found(*of.in_words(AnsweredBy.UNKNOWN), of=of) == {}
