"""Nobody is left in silence for longer than two seconds while it isn't known who answered: whatever is heard, whoever
finds it out, and whatever that comes to. Many openings, in virtual time: stored ones, and timings made at random."""

import asyncio
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.answers.streams import unpacked
from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.detection.detector import Detector
from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.detection.live_detection import Followed, LiveDetection
from outdial.conversation.detection.talk import WINDOW_MS, Span
from outdial.conversation.gates import Gates
from outdial.conversation.opening import HEARD_OUT_MS, Greet
from outdial.conversation.understanding.language import language_of
from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.telephony.verdict import AnsweredBy, DetectedBy, Verdict
from outdial.testing.engines import WINDOW_BYTES, DetectorStream

SILENCE_MS = 2000
GREETING = "Hello, this is the assistant of the clinic."
MESSAGE = "Please call the clinic back on Monday."
REASON = "This is the clinic's assistant, calling about an appointment."
GATES = Gates(reason=lambda live: REASON, keys=(("appointments", "1"),))
SAID = (
    "Hello?", "Hi.", "Yes, Jane speaking.", "Hi, you've reached Jane Miller.", "Good morning, Miller Plumbing.",
    "I'm not available to talk right now, who is this?", "Please say your name.", "",
)  # fmt: skip
NOISE = (np.random.default_rng(1).standard_normal(FRAME_BYTES // 2) * 32768).astype(np.float32)


def policy(by, action="hang_up", **how):
    return MachinePolicy(action=action, message=lambda call: MESSAGE, max_wait_s=30, gates=GATES, by=by, **how)


LOCAL = policy(DetectedBy.LOCAL)
POLICIES = {
    "nobody finds it out": MachinePolicy(),
    "local": LOCAL,
    "local, a message": policy(DetectedBy.LOCAL, "leave_message"),
    "local, machines are talked to": policy(DetectedBy.LOCAL, "continue"),
    "carrier, no word": policy(DetectedBy.CARRIER),
    "carrier, late": policy(DetectedBy.CARRIER, "leave_message"),
    "carrier, wrong": policy(DetectedBy.CARRIER, "leave_message"),
    "both, wrong": policy(DetectedBy.BOTH, "leave_message"),
}
VERDICTS = {  # of the carrier: when, and who it is
    "carrier, late": (4.2, AnsweredBy.HUMAN),
    "carrier, wrong": (2.3, AnsweredBy.MACHINE),
    "both, wrong": (3.1, AnsweredBy.MACHINE),
}


class Ears:
    """Knows what was said when."""

    waited_ms = 0

    def __init__(self, call):
        self._call = call
        self._fed = 0

    def feed(self, pcm):
        self._fed += len(pcm)

    async def text(self):
        until_ms = self._call.ms
        since_ms = until_ms - self._fed // 16
        await self._call.recognises()
        return " ".join(
            one.text for one in self._call.words if one.span.end_ms <= until_ms and one.span.start_ms >= since_ms - 400
        )

    async def partial(self):
        return None


class VoiceStream(DetectorStream):
    """Of the call's windows; `far_power` is told by the dialogue's hearing."""

    def __init__(self, call, on_window):
        super().__init__(call.detector, on_window)
        self._call, self._at_ms = call, call.ms

    def report(self):
        if len(self._pcm) < WINDOW_BYTES:
            return False
        del self._pcm[:WINDOW_BYTES]
        self._at_ms += WINDOW_MS
        self._on_window(self._call.voice_at(self._at_ms))
        return True


class Tones:
    def __init__(self, stored):
        self._tones = [one for one in stored if not isinstance(one, Window | Words)]
        self._at_ms = 0

    @property
    def may_beep(self):
        return any(one.start_ms < self._at_ms for one in self._tones)

    def feed(self, pcm, at_ms):
        self._at_ms = at_ms
        known = [one for one in self._tones if one.end_ms + 80 <= at_ms]
        self._tones = [one for one in self._tones if one not in known]
        return known


class Call(Stage):
    """Whoever answers is heard as in `heard`; words are known after `takes_s`, never where that is None."""

    def __init__(self, heard, how, *, takes_s=0.15, language="en", greet=Greet.AFTER_HELLO):
        self.windows = [one for one in heard if isinstance(one, Window)]
        self.words = [one for one in heard if isinstance(one, Words)] if language else []
        self._takes_s = takes_s
        super().__init__(talks, machine=POLICIES[how], greet=greet)
        self.ears.recognition = lambda: Ears(self)
        streams = self.detector._streams

        def opened(on_window):
            streams.add(stream := VoiceStream(self, on_window))
            return stream

        self.detector.open = opened
        self.detection = None
        if POLICIES[how].by.is_ours:
            follows = Followed(
                recogniser=self.ears if language else None, to_message_end=POLICIES[how].action == "leave_message"
            )
            detector = Detector(language_of(language) if language else None)
            self.detection = LiveDetection(
                detector, self.media_line, self.detector, self.session.answering, follows
            )
            self.detection._tones = Tones(heard)
            self.media_line.follow(self.detection)
        if how in VERDICTS:
            at_s, category = VERDICTS[how]
            verdict = Verdict(answered_by=category, at=datetime.now(UTC))
            self.at(at_s, self.session.answering.judged, verdict)
        for at_ms in range(0, len(self.windows) * WINDOW_MS - FRAME_MS, FRAME_MS):
            level = self.windows[at_ms // WINDOW_MS].power ** 0.5
            self.carrier.mouth.append(np.clip(NOISE * level, -32000, 32000).astype("<i2").tobytes())

    @property
    def ms(self):
        return round(self.now_s() * 1000)

    def voice_at(self, at_ms):
        place = at_ms // WINDOW_MS - 1
        return self.windows[place].voice if 0 <= place < len(self.windows) else 0.0

    async def recognises(self):
        if self._takes_s is None:
            await self.loop.create_future()
        await asyncio.sleep(self._takes_s)

    async def run(self):
        talk = self.session.run

        async def run(start_timeout_s):
            end = await talk(start_timeout_s)
            if self.detection is not None:
                await self.detection.aclose()
            return end

        self.session.run = run
        return await super().run()


async def talks(call):
    await call.say(GREETING)
    await call.listen(no_reply_s=0.5)


def silences(call, spans):
    """How long whoever spoke in `spans` waited for us, each time that the words of both sides were apart: until our
    first words; and where they were broken off, for it was found to be a machine, until the next."""
    ours = [(turn.start_ms, turn.end_ms, turn.interrupted) for turn in call.notes.turns if turn.speaker == "agent"]
    over_ms = call.ms
    broke_off = call.session.answering.is_machine
    last_ms = next((start for start, _, was_cut in ours if not (was_cut and broke_off)), over_ms)
    busy = sorted([(0, 0), *spans, *((start, end) for start, end, _ in ours), (over_ms, over_ms)])
    waits, until_ms = [], 0
    for start, end in busy:
        if until_ms < last_ms:
            waits.append((min(start, over_ms) - until_ms, until_ms))
        until_ms = max(until_ms, end)
    return waits


def is_long(wait_ms):
    return wait_ms > SILENCE_MS + 2 * FRAME_MS


# -- timings made at random ----------------------------------------------------------------------------------------


def opening(seed):
    """When a person speaks, and what is heard of them, and of a television that is on when they pick up."""
    chance = random.Random(seed)
    at_ms, spans = chance.choice([200, 700, 1300, 2500, 4000]), []
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        end_ms = at_ms + chance.choice([300, 700, 1500, 3000])
        spans.append((at_ms, end_ms))
        at_ms = end_ms + chance.choice([350, 600, 900, 1400, 2600])
    level = 10 ** (chance.uniform(-2.8, -1.6))
    behind = 10 ** (-chance.uniform(14, 22) / 10) if spans and chance.random() < 0.5 else 0.0
    heard = []
    for window_ms in range(WINDOW_MS, 12_000, WINDOW_MS):
        is_near = any(start < window_ms <= end for start, end in spans)
        is_far = bool(behind) and window_ms > spans[0][0] and (window_ms // 1000) % 5 != 4
        power = level * 10 ** chance.uniform(-0.4, 0.0) if is_near else level * behind if is_far else 1e-8
        heard.append(Window(at_ms=window_ms, voice=0.95 if is_near or is_far else 0.02, power=power))
    for start, end in spans:
        text = chance.choice(SAID)
        heard.append(Words(at_ms=end + 400, span=Span(start_ms=start, end_ms=end), text=text))
    return heard, spans, {"takes_s": chance.choice([0.1, 0.1, 0.4, 1.5, None]), "language": chance.choice(["en", None])}


@pytest.mark.parametrize("how", POLICIES)
async def test_whenever_a_person_speaks(how):
    for seed in range(5):
        heard, spans, words = opening(f"{how} {seed}")
        call = Call(heard, how, **words)
        await call.run()
        long = [wait for wait in silences(call, spans) if is_long(wait[0])]
        assert long == [], (seed, spans, [(turn.text, turn.start_ms) for turn in call.notes.turns])


def says_hello(*spans):
    """Whoever says so in each of them, as it is heard."""
    heard = [Words(at_ms=end + 400, span=Span(start_ms=start, end_ms=end), text="Hello?") for start, end in spans]
    for window_ms in range(WINDOW_MS, 12_000, WINDOW_MS):
        speaks = any(start < window_ms <= end for start, end in spans)
        heard.append(Window(at_ms=window_ms, voice=0.95 if speaks else 0.02, power=0.01 if speaks else 1e-8))
    return heard


@pytest.mark.parametrize("takes_s", [0.1, 1.5, 3.0, None])
@pytest.mark.parametrize("span", [(200, 700), (1000, 1400), (1700, 2100), (1900, 2250), (2000, 2600)])
async def test_who_is_taken_for_a_machine_waits_neither_for_words_nor_for_a_silence_that_was_there(span, takes_s):
    call = Call(says_hello(span), "carrier, wrong", takes_s=takes_s)
    end = await call.run()
    assert end.message_delivered
    assert [wait for wait in silences(call, [span]) if is_long(wait[0])] == [], call.notes.turns
    assert call.notes.lines[-1] == f"agent: {MESSAGE}"


async def test_who_speaks_again_before_the_message_is_heard_out():
    """The silence that was there counts for nothing then."""
    call = Call(says_hello((1500, 1900), (2600, 4000)), "carrier, wrong")
    await call.run()
    message = call.notes.turns[-1]
    assert (message.text, message.start_ms) == (MESSAGE, pytest.approx(4000 + HEARD_OUT_MS, abs=300))


# -- stored openings -----------------------------------------------------------------------------------------------

STORED = json.loads((Path(__file__).parent / "detection" / "streams.json").read_text())
PEOPLE = [one for one in STORED if one["category"] == "human"]
# A television as loud as the callee, which says what tapes say: they can't be told apart (docs/who-answered.md).
AS_LOUD_MS = {"test-0001-human-short": 3000}


@pytest.mark.parametrize(
    ("how", "language"), [("local", None), ("local, a message", "en"), ("carrier, no word", "en")]
)
async def test_whoever_has_been_heard_on_a_telephone(how, language):
    for stored in PEOPLE:
        call = Call(unpacked(stored), how, language=language)
        await call.run()
        spoke_ms = next((turn.start_ms for turn in call.notes.turns if turn.speaker == "agent"), call.ms)
        waited_ms = spoke_ms - stored["greeting_end_ms"]
        assert not is_long(waited_ms) or waited_ms < AS_LOUD_MS.get(stored["name"], 0), stored["name"]
