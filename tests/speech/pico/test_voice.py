"""Offline voices of other languages: their process, what is said, and what becomes of texts that mean harm."""

import asyncio
import sys
import threading

import pytest

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import SpeechUnavailable
from outdial.speech.pico.voice import PicoProcess, PicoProcesses, PicoTextToSpeech, offline_voice, sentences, speaks

ECHO = (
    "import json, sys, time\n"
    "sys.stdout.buffer.write(bytes(4)); sys.stdout.buffer.flush()\n"
    "for line in sys.stdin.buffer:\n"
    "    text = json.loads(line)['text']\n"
    "    if 'die' in text: sys.exit(1)\n"
    "    if 'hang' in text: time.sleep(60)\n"
    "    pcm = b'\\x00\\x20\\x00\\xe0' * 4000 if 'nothing' not in text else b''\n"
    "    sys.stdout.buffer.write(len(pcm).to_bytes(4, 'big') + (pcm if 'half' not in text else pcm[:99]))\n"
    "    sys.stdout.buffer.flush()\n"
    "    if 'half' in text: sys.exit(1)\n"
)


@pytest.fixture(autouse=True)
def no_limit(monkeypatch):
    """Of time: machines are busy."""
    for limit in ("START_S", "WITHIN_S", "TURN_S"):
        monkeypatch.setattr(f"outdial.speech.pico.voice.{limit}", 60.0)


@pytest.fixture
def pool():
    """Makes processes for calls, of what stands for one."""
    made = []

    def make(most, start):
        made.append(PicoProcesses(most, start))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def process():
    process = PicoProcess((sys.executable, "-c", ECHO))
    yield process
    process.close()


def test_a_text_is_said_sentence_by_sentence_and_without_orders_to_the_engine():
    assert sentences("Guten Tag. Wie geht es <play file='/etc/passwd'/> Ihnen? … 😀") == [
        "Guten Tag.", "Wie geht es play file='/etc/passwd'/ Ihnen?",
    ]  # fmt: skip
    assert sentences(" … \n") == []


@pytest.mark.parametrize("tags", ["<>", "\uff1c\uff1e", "\ufe64\ufe65"])
def test_no_characters_of_a_text_become_tags(tags):
    opening, closing = tags
    [said] = sentences(f"Gut {opening}genfile file='x.wav'{closing}x{opening}/genfile{closing} so.")
    assert not set(said) & set("<>\uff1c\uff1e\ufe64\ufe65")


def test_what_is_long_is_said_in_parts_and_whole():
    text = ", ".join(f"Punkt Nummer {number}" for number in range(60)) + " " + "x" * 700 + "."
    parts = sentences(text)
    assert max(map(len, parts)) <= 200
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(part.endswith(",") for part in parts[:3])


@pytest.mark.parametrize("dies", ["die", "half of it"])
def test_a_process_that_dies_begins_anew_for_the_next_sentence(process, dies):
    assert len(process.say("de-DE", "Guten Tag.")) > 100 * BYTES_PER_MS
    with pytest.raises(SpeechUnavailable):
        process.say("de-DE", dies)
    assert process.say("de-DE", "Guten Tag.")
    assert process.say("de-DE", "nothing") == b""


def test_a_sentence_that_takes_too_long_is_given_up_and_the_next_one_is_said(process, monkeypatch, caplog):
    with monkeypatch.context() as hurried:
        hurried.setattr("outdial.speech.pico.voice.WITHIN_S", 0.3)
        with pytest.raises(SpeechUnavailable):
            process.say("de-DE", "hang")
    assert caplog.records == []  # it wasn't asked once more
    assert process.say("de-DE", "Guten Tag.")


def test_a_process_that_is_never_ready_is_given_up(monkeypatch):
    monkeypatch.setattr("outdial.speech.pico.voice.START_S", 0.3)
    process = PicoProcess((sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(SpeechUnavailable):
        process.say("de-DE", "Guten Tag.")


async def said(voice, text):
    try:
        return sum([len(pcm) async for pcm in voice.speak(text)]) // BYTES_PER_MS
    except SpeechUnavailable:
        return None


async def test_twenty_calls_at_once_are_said_one_after_the_other_though_the_process_dies_of_one(process, pool):
    pytest.importorskip("py_nanotts")
    voice = PicoTextToSpeech("de", pool(1, lambda: process))
    texts = [f"Guten Tag Nummer {number}." if number != 7 else "die" for number in range(20)]
    lengths = await asyncio.gather(*(said(voice, text) for text in texts))
    assert lengths.pop(7) is None
    assert set(lengths) == {500}


class Stand:
    """For a process; says "hang" when it is told to go on."""

    def __init__(self):
        self.said = []
        self.hangs, self.goes_on = threading.Event(), threading.Event()

    def say(self, voice, sentence):
        self.said.append(sentence)
        if sentence == "hang":
            self.hangs.set()
            self.goes_on.wait(60)
        return bytes(160)

    def close(self):
        pass


async def test_who_waits_too_long_for_its_turn_is_told_so_and_never_said(pool, monkeypatch):
    stand = Stand()
    processes = pool(1, lambda: stand)
    hanging = asyncio.create_task(processes.say("de-DE", "hang"))
    await asyncio.to_thread(stand.hangs.wait, 60)
    with monkeypatch.context() as hurried:
        hurried.setattr("outdial.speech.pico.voice.TURN_S", 0.05)
        with pytest.raises(SpeechUnavailable):
            await processes.say("de-DE", "Guten Tag.")
    stand.goes_on.set()
    await hanging
    await processes.say("de-DE", "Auf Wiederhören.")
    assert stand.said == ["hang", "Auf Wiederhören."]


async def test_a_sentence_that_hangs_keeps_no_other_waiting_and_one_process_is_enough_for_the_rest(pool):
    stands = [Stand() for _ in range(4)]
    processes = pool(4, iter(stands).__next__)
    hanging = asyncio.create_task(processes.say("de-DE", "hang"))
    await asyncio.to_thread(stands[3].hangs.wait, 60)
    for _ in range(5):
        await processes.say("de-DE", "Guten Tag.")
    stands[3].goes_on.set()
    await hanging
    assert [len(stand.said) for stand in stands] == [0, 0, 5, 1]


def test_who_is_not_installed_speaks_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "py_nanotts", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not speaks("de-DE")
    assert offline_voice("de-DE") is None


@pytest.mark.parametrize(("language", "text"), [
    ("de-DE", "Guten Tag, Frau Sommer. Passt Ihnen Dienstag um zehn?"),
    ("fr-FR", "Bonjour madame. Mardi à dix heures vous convient ?"),
    ("es-ES", "Buenos días, señora Gómez. ¿Le viene bien el martes a las diez?"),
])  # fmt: skip
async def test_two_sentences_are_two_pieces_of_some_seconds(language, text):
    pytest.importorskip("py_nanotts")
    voice = PicoTextToSpeech(language[:2], processes := PicoProcesses(1))
    try:
        pieces = [pcm async for pcm in voice.speak(text)]
    finally:
        processes.close()
    assert len(pieces) == 2
    assert 2 < sum(map(len, pieces)) / BYTES_PER_MS / 1000 < 8
    assert language in voice.name


@pytest.mark.parametrize(("language", "there"), [("de-AT", True), ("IT", True), ("en-US", False), ("pl-PL", False)])
def test_languages_are_told_by_their_tag(language, there):
    pytest.importorskip("py_nanotts")
    assert speaks(language) is there
