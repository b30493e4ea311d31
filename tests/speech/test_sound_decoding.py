"""Sound files as calls play them: each format that is read, as loud as our voice, and files that are none."""

import io
import struct
import sys
import wave

import numpy as np
import pytest
import soundfile

from outdial.media import tones
from outdial.media.g711 import pcm_to_alaw, pcm_to_ulaw
from outdial.media.sounds import SoundFailed, name_of
from outdial.speech import sound_decoding
from outdial.speech.levelling import SPEECH_DBFS
from outdial.speech.sound_decoding import ALAW, EXTENSIBLE, FLOAT, PCM, ULAW, decoded, may_hold_sound

HZ = 440.0


def sine(rate_hz, seconds=1.0, level=0.05):
    return level * np.sin(2 * np.pi * HZ * np.arange(int(rate_hz * seconds)) / rate_hz)


def wav(data, *, tag=PCM, channels=1, rate_hz=8000, bits=16, form_more=b"", before=b"", size=None):
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits) + form_more
    size = len(data) if size is None else size
    chunks = before + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def as_pcm(samples, bits=16):
    whole = np.round(samples * (2 ** (bits - 1) - 1)).astype("<i4")
    return whole.astype("<i2").tobytes() if bits == 16 else whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def mp3(samples, rate_hz):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="MP3")
    return file.getvalue()


def assert_is_the_tone(pcm, seconds=1.0):
    """Its frequency, its length, and as loud as what our voice says."""
    heard = np.frombuffer(pcm, "<i2") / 32768
    assert len(heard) == pytest.approx(8000 * seconds, abs=600)  # MP3 has a pause in front
    inner = heard[1000:-1000]
    spectrum = np.abs(np.fft.rfft(inner))
    assert np.argmax(spectrum) * 8000 / len(inner) == pytest.approx(HZ, abs=3)
    assert 10 * np.log10(np.mean(inner**2)) == pytest.approx(SPEECH_DBFS, abs=1.0)


FLOATS = sine(16_000).astype("<f4")
TONE = as_pcm(sine(8000))
SUBFORMAT = struct.pack("<HHI", 22, 16, 0) + struct.pack("<H", PCM) + bytes(14)
FILES = {
    "16 bit": (wav(as_pcm(sine(44_100)), rate_hz=44_100), "audio/wav"),
    "16 bit, stereo": (wav(as_pcm(np.repeat(sine(48_000), 2)), channels=2, rate_hz=48_000), "audio/x-wav"),
    "8 bit": (wav(np.round(sine(11_025, level=0.5) * 127 + 128).astype("u1").tobytes(), rate_hz=11_025, bits=8), ""),
    "24 bit": (wav(as_pcm(sine(22_050), 24), rate_hz=22_050, bits=24), "application/octet-stream"),
    "32 bit": (wav(np.round(sine(8000) * 2**31).astype("<i4").tobytes(), bits=32), "audio/wav"),
    "floats": (wav(FLOATS.tobytes(), tag=FLOAT, rate_hz=16_000, bits=32), "audio/vnd.wave; codec=3"),
    "long floats": (wav(FLOATS.astype("<f8").tobytes(), tag=FLOAT, rate_hz=16_000, bits=64), "audio/wav"),
    "mu-law": (wav(pcm_to_ulaw(TONE), tag=ULAW, bits=8), "audio/wav"),
    "A-law": (wav(pcm_to_alaw(TONE), tag=ALAW, bits=8), "audio/wav"),
    "extensible": (wav(TONE, tag=EXTENSIBLE, form_more=SUBFORMAT), "audio/wav"),
    "chunks before": (wav(TONE, before=b"LIST" + struct.pack("<I", 5) + b"INFO\0\0"), "audio/wav"),
    "never closed": (wav(TONE, size=0xFFFFFFFF), "audio/wav"),
    "raw mu-law": (pcm_to_ulaw(TONE), "audio/basic"),
    "raw A-law": (pcm_to_alaw(TONE), "audio/PCMA; rate=8000"),
    "mp3": (mp3(sine(44_100), 44_100), "audio/mpeg"),
    "mp3 of any type": (mp3(np.repeat(sine(24_000), 2).reshape(-1, 2), 24_000), "binary/octet-stream"),
}


@pytest.mark.parametrize("which", FILES)
def test_a_file_is_the_same_tone_in_each_format(which):
    assert_is_the_tone(decoded(*FILES[which]))


def test_a_file_of_the_standard_library_s_is_read():
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(TONE)
    assert_is_the_tone(decoded(file.getvalue(), "audio/wav"))


def test_silence_that_is_in_a_file_stays_in_it():
    pcm = decoded(wav(bytes(8000) + TONE + bytes(16_000)), "audio/wav")
    assert len(pcm) == len(TONE) + 24_000
    assert not any(pcm[:8000])


def long_wav(seconds):
    return wav(b"\x55" * (8000 * seconds), tag=ULAW, bits=8)


NO_FILES = {
    "nothing": (b"", "", "no_sound"),
    "a page": (b"<!doctype html><p>Hello", "audio/wav", "no_sound"),
    "cut off": (wav(TONE)[:30], "audio/wav", "no_sound"),
    "no channels": (wav(TONE, channels=0), "audio/wav", "no_sound"),
    "no rate": (wav(TONE, rate_hz=0), "audio/wav", "no_sound"),
    "compressed otherwise": (wav(TONE, tag=0x0002, bits=4), "audio/wav", "no_sound"),
    "odd bits": (wav(TONE, bits=12), "audio/wav", "no_sound"),
    "no mp3": (b"ID3" + bytes(500), "audio/mpeg", "no_sound"),
    "another format that libsndfile reads": (b"fLaC" + bytes(100), "audio/mpeg", "no_sound"),
    "silence": (wav(bytes(16_000)), "audio/wav", "silent"),
    "no sample": (wav(b""), "audio/wav", "silent"),
    "too long": (long_wav(sound_decoding.MAX_SOUND_S + 1), "audio/wav", "too_long"),
    "too long and raw": (b"\x55" * 8000 * (sound_decoding.MAX_SOUND_S + 1), "audio/basic", "too_long"),
}


@pytest.mark.parametrize("which", NO_FILES)
def test_what_is_no_sound_file_says_why(which):
    data, content_type, word = NO_FILES[which]
    with pytest.raises(SoundFailed) as failed:
        decoded(data, content_type)
    assert failed.value.word == word


@pytest.mark.parametrize("seed", range(20))
def test_broken_files_are_refused_or_read_and_nothing_else(seed):
    generator = np.random.default_rng(seed)
    for data, content_type in FILES.values():
        broken = bytearray(data[: int(generator.integers(1, len(data)))])
        for at in generator.integers(0, min(80, len(broken)), 4):
            broken[at] = int(generator.integers(0, 256))
        try:
            pcm = decoded(bytes(broken), content_type)
        except SoundFailed:
            continue
        assert pcm


def test_mp3_without_the_extra_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(SoundFailed) as failed:
        decoded(*FILES["mp3"])
    assert failed.value.word == "mp3_not_installed"


def test_an_mp3_that_is_too_long_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(sound_decoding, "MAX_SOUND_S", 1)
    with pytest.raises(SoundFailed) as failed:
        decoded(mp3(sine(8000, seconds=3.0), 8000), "audio/mpeg")
    assert failed.value.word == "too_long"


@pytest.mark.parametrize(
    ("content_type", "may"),
    [("", True), ("audio/x-whatever", True), ("Audio/WAV; x=1", True), ("text/html", False), ("video/mp4", False)],
)
def test_only_what_may_hold_a_sound_is_read(content_type, may):
    assert may_hold_sound(content_type) is may


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://a.example/x/hold%20music.wav?key=secret#top", "hold music.wav"),
        ("https://a.example", "sound"),
        ("https://a.example/", "sound"),
        ("https://a.example/a[b]%00c.mp3", "abc.mp3"),
        ("https://[", "sound"),
    ],
)
def test_a_transcript_names_the_file_and_nothing_else_of_its_url(source, name):
    assert name_of(source) == name


def test_keys_that_tones_have_are_as_before():
    assert len(tones.keys("1w")) == 16 * (100 + 100 + 500)
