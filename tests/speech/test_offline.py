"""The real engines: what the one says, the other has to understand over a telephone line."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media import tones
from outdial.media.frames import BYTES_PER_MS, duration_ms, silence
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.voice_activity import VoiceActivity
from outdial.speech.base import SpeechUnavailable
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech, available

pytestmark = pytest.mark.skipif(
    any(engine.problem for engine in available()), reason="no offline speech on this platform"
)

ANSWERS = [
    "Yes, that works for me.", "No, I can't make it.", "Wrong number, sorry.",
    "Could we move it to Thursday?", "Who is this?", "Stop calling me.", "Yes.", "No.", "Hello?",
    "Hello, this is Jane.", "I'd like to cancel.", "Tomorrow at three would be better.",
    "Can you call me back later?", "Speaking.",
]  # fmt: skip


async def spoken(text, voice="agent"):
    return b"".join([piece async for piece in OfflineTextToSpeech(voice).speak(text)])


async def recognised(pcm):
    recognition = OfflineSpeechToText().recognition()
    recognition.feed(pcm)
    return await recognition.text()


def over_the_phone(pcm):
    """A carrier's mu-law, and a line that isn't quite silent before and after."""
    hiss = np.random.default_rng(0).normal(0, 12, (len(pcm) // 2) + 12_000).astype("<i2")
    hiss[4000 : 4000 + len(pcm) // 2] += np.frombuffer(pcm, dtype="<i2")
    return ulaw_to_pcm(pcm_to_ulaw(hiss.tobytes()))


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower().replace("\u2019", "'").replace("to-morrow", "tomorrow"))


def errors(said, heard):
    """Words wrong, missing or too many (Levenshtein's distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != other))
    return row[-1]


def level_dbfs(pcm):
    loud = np.frombuffer(pcm, dtype="<i2").astype(float)
    return 20 * np.log10(np.sqrt(np.mean(loud**2)) / 32768)


def fundamental_hz(pcm):
    """The median pitch of the loud parts, by autocorrelation."""
    found = []
    wave = np.frombuffer(pcm, dtype="<i2").astype(float)
    for start in range(0, len(wave) - 400, 200):
        part = wave[start : start + 400]
        if np.sqrt(np.mean(part**2)) > 2000:
            likeness = np.correlate(part, part, "full")[400:]
            found.append(8000 / (int(likeness[20:130].argmax()) + 21))
    return float(np.median(found))


@pytest.mark.parametrize("voice", ["agent", "callee"])
async def test_short_answers_are_understood_over_the_phone(voice):
    total = wrong = 0
    for answer in ANSWERS:
        heard = await recognised(over_the_phone(await spoken(answer, voice)))
        wrong += errors(words(answer), words(heard))
        total += len(words(answer))
    assert wrong / total < 0.06


async def test_the_two_voices_are_a_woman_and_a_man():
    text = "Could we move it to Thursday? I have an appointment on Friday."
    agent, callee = fundamental_hz(await spoken(text)), fundamental_hz(await spoken(text, "callee"))
    assert 160 < agent < 260
    assert 90 < callee < 150


@pytest.mark.parametrize("voice", ["agent", "callee"])
async def test_speech_has_the_level_of_a_phone_call_and_no_long_silence_around_it(voice):
    pcm = await spoken("Could we move it to Thursday?", voice)
    assert level_dbfs(pcm) == pytest.approx(-21, abs=2.5)
    assert np.abs(np.frombuffer(pcm, dtype="<i2").astype(int)).max() <= 32768 * 10 ** (-3 / 20)
    assert 1000 < duration_ms(pcm) < 2500


async def test_a_text_is_spoken_sentence_by_sentence():
    pieces = [piece async for piece in OfflineTextToSpeech().speak("Hello Jane. How are you? I am fine.")]
    assert len(pieces) == 3


async def test_the_same_text_sounds_the_same_every_time():
    assert await spoken("Hello Jane.") == await spoken("Hello Jane.")


@pytest.mark.parametrize("nothing", ["", "  \n", "…", "\x00\x07", "[](//)", "¿?!"])
async def test_text_without_a_word_is_not_spoken(nothing):
    assert await spoken(nothing) == b""


async def test_a_variable_cannot_prescribe_another_pronunciation():
    assert await spoken("[Hello](/no/) Jane.") != await spoken("[No](/no/) Jane.")


async def test_speech_is_found_by_the_voice_detection():
    activity, heard = VoiceActivity(), []
    stream = activity.open(heard.append)
    pcm = over_the_phone(await spoken("Yes, that works for me.", "callee"))
    for start in range(0, len(pcm), 512):
        stream.feed(pcm[start : start + 512])
        activity.run_once()
    assert 800 < 32 * sum(probability > 0.5 for probability in heard) < 2500
    assert max(heard[:12]) < 0.5


@pytest.mark.parametrize(
    "sound",
    [b"", b"\x01", silence(3000), tones.dtmf("5", 60), tones.ringback(2000), tones.beep(),
     tones.fax_ced(1000),
     np.random.default_rng(0).normal(0, 1000, 16000).astype("<i2").tobytes()],
    ids=["nothing", "half a sample", "silence", "click", "ringback", "beep", "fax", "noise"],
)  # fmt: skip
async def test_nothing_is_heard_where_nobody_speaks(sound):
    assert await recognised(sound) == ""


async def test_an_utterance_can_be_asked_for_before_it_is_complete():
    pcm = await spoken("Could we move it to Thursday? I am busy right now.")
    recognition = OfflineSpeechToText().recognition()
    assert await recognition.text() == ""
    recognition.feed(pcm[: 1700 * BYTES_PER_MS])
    assert "Thursday" in await recognition.text()
    recognition.feed(pcm[1700 * BYTES_PER_MS :])
    assert (await recognition.text()).endswith("right now.")


async def test_of_a_long_monologue_the_end_is_kept():
    recognition = OfflineSpeechToText().recognition()
    for _ in range(60):
        recognition.feed(silence(1000))
    recognition.feed(await spoken("Could we move it to Thursday?"))
    assert "Thursday" in await recognition.text()


def test_nothing_is_loaded_before_it_is_needed():
    loaded = (
        "import sys, outdial.speech.offline as offline; offline.OfflineTextToSpeech();"
        "offline.OfflineSpeechToText(); print(sorted({'hibari', 'moonshine_voice'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "engine"), [("hibari", OfflineTextToSpeech), ("moonshine_voice", OfflineSpeechToText)]
)
def test_a_missing_engine_says_what_to_install(monkeypatch, module, engine):
    monkeypatch.setitem(sys.modules, module, None)  # Python's own mark for "there is no such module"
    with pytest.raises(SpeechUnavailable, match="pip install"):
        engine()
    assert [found.problem is None for found in available()].count(True) == 1


async def test_engines_warm_up():
    await OfflineTextToSpeech().warm_up()
    await OfflineSpeechToText().warm_up()


@given(st.text(max_size=60))
async def test_any_text_can_be_spoken(text):
    assert len(await spoken(text)) % 2 == 0
