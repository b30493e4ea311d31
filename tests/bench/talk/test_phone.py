"""The phone in memory: plays what it was sent, at its pace, and does what its plan says."""

import asyncio

import numpy as np

from bench.talk.phone import Phone
from bench.talk.plans import AfterTurn, HangsUp, OnSpeech, Plan, Presses, Says, Waits
from outdial.media.frames import FRAME_BYTES
from outdial.testing import virtual_time
from outdial.testing.audio_phone import Utterance
from outdial.testing.line_audio import Line, LineAudio

VOICE = (np.random.default_rng(1).normal(0, 4000, FRAME_BYTES // 2)).astype("<i2").tobytes()
SPEECH = {"hello": np.full(800, 3000, np.float32), "there": np.full(400, 3000, np.float32)}  # 100 and 50 ms


class FarEnd:
    """Takes what the phone sends; a media line as far as a phone knows."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.got = []

    def received(self, message):
        loud = isinstance(message, bytes) and int(np.abs(np.frombuffer(message, "<i2")).max()) > 1000
        if isinstance(message, str) or loud:
            self.got.append((round(self.loop.time() * 1000), "voice" if loud else message))

    def times_of(self, what):
        return [at for at, message in self.got if message == what]


def follow(*steps, act=None, seconds=3.0):
    """The phone and its far end after so long. `act(phone)`: done at the start."""

    async def main():
        plan = Plan(kind="", row="", script="", steps=steps, voice="nobody")
        phone = Phone(plan, LineAudio(Line(), None, 1), SPEECH.__getitem__)
        phone.media_line = FarEnd()
        phone.pick_up()
        if act is not None:
            act(phone)
        await asyncio.sleep(seconds)
        phone.close()
        return phone, phone.media_line

    return virtual_time.run(main())


def speaks(ms, after_ms=0, mark="said"):
    def send(phone):
        for message in [VOICE] * (ms // 20) + [f"mark {mark}"]:
            phone.send(message)

    return lambda phone: asyncio.get_running_loop().call_later(after_ms / 1000, send, phone)


def test_it_says_its_words_with_their_pauses():
    phone, far_end = follow(Waits(200), Says(("hello", 400, "there")))
    assert phone.sound.utterances == [Utterance("hello there", 200, 760)]
    assert far_end.times_of("voice") == [220, 240, 260, 280, 300, 720, 740, 760]


def test_a_mark_comes_back_when_all_before_it_was_heard():
    phone, far_end = follow(act=speaks(200))
    assert far_end.times_of("mark said") == [220]
    assert sum(phone.sound.agent) == 10


def test_what_is_cleared_is_not_heard_and_its_marks_come_back():
    def act(phone):
        speaks(400)(phone)
        asyncio.get_running_loop().call_later(0.101, phone.send, "clear")

    phone, far_end = follow(act=act)
    assert sum(phone.sound.agent) == 5
    assert far_end.times_of("mark said") == [101]


def test_it_answers_when_the_agent_has_finished():
    _, far_end = follow(AfterTurn(600), Says(("hello",)), act=speaks(400, after_ms=300))
    assert far_end.times_of("voice")[0] - 700 in range(580, 641)


def test_it_waits_until_it_has_heard_enough():
    def act(phone):
        speaks(200)(phone)
        speaks(400, after_ms=1200)(phone)

    _, far_end = follow(AfterTurn(600, heard_ms=500), Says(("hello",)), act=act)
    assert far_end.times_of("voice")[0] - 1600 in range(580, 641)


def test_it_speaks_over_the_agent():
    _, far_end = follow(OnSpeech(), Waits(100), Says(("hello",)), act=speaks(1000, after_ms=500))
    assert far_end.times_of("voice")[0] in range(640, 721)


def test_it_presses_keys_and_hangs_up():
    _, far_end = follow(Waits(100), Presses("12"), HangsUp())
    assert [message for _, message in far_end.got] == ["start", "digit 1", "digit 2", "stop"]
    first, second = far_end.times_of("digit 1"), far_end.times_of("digit 2")
    assert second[0] - first[0] == 240
