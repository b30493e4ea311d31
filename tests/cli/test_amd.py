"""outdial amd, as it is typed."""

import json
import struct
import wave

import numpy as np
import pytest
from typer.testing import CliRunner

from outdial.cli.amd import app
from outdial.media import tones
from outdial.media.frames import silence
from outdial.media.g711 import pcm_to_alaw, pcm_to_ulaw
from outdial.speech.offline import available

needs_voice = pytest.mark.skipif(available()[0].problem is not None, reason="needs the offline voice")
FAX = silence(500) + tones.fax_ced(3000) + silence(500)


def write(path, pcm, *, rate_hz=8000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return str(path)


def run(*words):
    return CliRunner().invoke(app, [*words])


def told(*words):
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_a_fax_is_told_with_its_evidence(tmp_path):
    found = told(write(tmp_path / "fax.wav", FAX))
    assert found["category"] == "fax"
    assert found["evidence"][0].startswith("fax tone at 0.5 s, 2100 Hz")
    assert 1500 < found["after_ms"] < 2600


def test_nobody_is_told_as_silence(tmp_path):
    assert told(write(tmp_path / "silence.wav", silence(7000)))["category"] == "silence"


def test_too_short_to_tell_is_unknown(tmp_path):
    assert told(write(tmp_path / "short.wav", silence(100))) == {
        "category": "unknown", "evidence": [], "after_ms": None, "confidence": None
    }  # fmt: skip


def test_of_a_stereo_recording_the_callee_is_judged_at_any_rate(tmp_path):
    callee = np.repeat(np.frombuffer(FAX, dtype="<i2"), 2)
    both = np.stack([callee, np.zeros_like(callee)], axis=1).astype("<i2").tobytes()
    assert told(write(tmp_path / "both.wav", both, rate_hz=16_000, channels=2))["category"] == "fax"


def test_for_people_each_judgement_has_its_time(tmp_path):
    shown = run(write(tmp_path / "fax.wav", FAX)).stdout
    assert "hang_up: fax  fax tone at 0.5 s" in shown
    assert shown.endswith("Answered by: fax\n")


def test_another_language_is_judged_by_timing_and_tones_and_says_so(tmp_path):
    done = run(write(tmp_path / "fax.wav", FAX), "--language", "pt", "--json")
    assert "timing and tones alone: nobody here recognises speech in 'pt'" in done.stderr
    assert "words not known in this language" in json.loads(done.stdout.splitlines()[-1])["evidence"]


@pytest.mark.parametrize("content", [b"", b"no sound"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "other.wav"
    path.write_bytes(content)
    assert "can't be read as a WAV file: it is none" in str(run(str(path)).exception)
    assert "can't be read: No such file" in str(run(str(tmp_path / "missing.wav")).exception)


def test_so_is_one_without_audio(tmp_path):
    assert str(run(write(tmp_path / "empty.wav", b"")).exception).endswith("it has no audio")


def wav_of(tmp_path, tag, sound, *, rate_hz=8000):
    """One byte a sample; its length was never filled in."""
    path = tmp_path / "telephony.wav"
    form = struct.pack("<HHIIHH", tag, 1, rate_hz, rate_hz, 1, 8)
    path.write_bytes(b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + bytes(4) + sound)
    return str(path)


@pytest.mark.parametrize(("tag", "encode"), [(7, pcm_to_ulaw), (6, pcm_to_alaw)])
def test_what_telephony_writes_is_read(tmp_path, tag, encode):
    assert told(wav_of(tmp_path, tag, encode(FAX)))["category"] == "fax"


@pytest.mark.parametrize(("tag", "rate_hz"), [(2, 8000), (7, 0)])
def test_so_is_a_format_that_is_not_read_and_one_without_a_rate(tmp_path, tag, rate_hz):
    path = wav_of(tmp_path, tag, pcm_to_ulaw(FAX), rate_hz=rate_hz)
    assert "neither PCM nor G.711, or has no sample rate" in str(run(path).exception)


async def spoken(text):
    from outdial.speech.offline import OfflineTextToSpeech

    return b"".join([piece async for piece in OfflineTextToSpeech().speak(text)])


@needs_voice
async def test_a_hello_that_the_recording_ends_after_is_judged_as_if_silence_came(tmp_path):
    """Else its words would be known after the last window, and judged by nothing."""
    done = run(write(tmp_path / "hello.wav", silence(600) + await spoken("Hello?") + silence(300)), "--json")
    assert json.loads(done.stdout.splitlines()[-1])["category"] == "human"
    assert "Judged as if 3 s of silence came after its end." in done.stderr


@needs_voice
async def test_a_voicemail_that_is_spoken_and_heard(tmp_path):
    said = await spoken(
        "You have reached the voicemail of Tom. I can't come to the phone. Please leave a message after the tone."
    )
    found = told(write(tmp_path / "tape.wav", silence(600) + said + silence(700) + tones.beep(500) + silence(2500)))
    assert found["category"] == "machine"
    assert any(one.startswith("said '") for one in found["evidence"])
