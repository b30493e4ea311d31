"""Our own detector on live calls, in virtual time: what it finds, when, and which course the call takes."""

import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.detection.detector import Detector
from outdial.conversation.detection.heard import Window
from outdial.conversation.detection.judge import Decision, Judgement
from outdial.conversation.detection.live_detection import Followed, LiveDetection
from outdial.conversation.gates import Gates
from outdial.conversation.message import MESSAGE_PAUSE_MS
from outdial.conversation.opening import Greet
from outdial.conversation.understanding.language import language_of
from outdial.media.frames import FRAME_BYTES
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import DEADLINE, MACHINES, AnsweredBy, DetectedBy, Verdict
from outdial.testing.engines import CALLEE, WINDOW_BYTES, DetectorStream, Recognised, sound

GREETING = "Hello, this is the assistant of the clinic."
MESSAGE = "Please call the clinic back on Monday."
REASON = "This is the clinic's assistant, calling about an appointment."
TAPE = "Hi, you've reached Tom. I can't come to the phone. Please leave a message after the tone."
FULL = "Hi, you've reached Tom. I can't come to the phone. The mailbox is full. Goodbye."
SCREENING = "Hi. If you record your name and reason for calling, I'll see if this person is available."
MENU = "Thank you for calling Meadow Dental. For appointments, press one. For billing, press two."
NO_LINE = "We're sorry. The number you have dialed is not in service. Please check the number and dial again."

HANG_UP = MachinePolicy(max_wait_s=30, by=DetectedBy.LOCAL)
LEAVE = MachinePolicy(action="leave_message", message=lambda call: MESSAGE, max_wait_s=30, by=DetectedBy.LOCAL)


class HearsNoTones(DetectorStream):
    """Of marked sounds, all samples are as loud."""

    def report(self):
        window = np.abs(np.frombuffer(bytes(self._pcm[:WINDOW_BYTES]), dtype="<i2").astype(np.int32))
        if window.size == WINDOW_BYTES // 2 and window.max() and np.mean(window == np.median(window)) < 0.5:
            del self._pcm[:WINDOW_BYTES]
            self._on_window(0.02)
            return True
        return super().report()


class Unsure(Detector):
    """Hears all that tapes say, and isn't sure of anybody."""

    def __init__(self, language):
        super().__init__(language, certain=2.0)


class Wavers(Detector):
    """Takes who answers for a person, and then again doesn't know."""

    def take(self, heard):
        super().take(heard)
        if not isinstance(heard, Window) or heard.at_ms % 960:
            return None
        category = AnsweredBy.HUMAN if heard.at_ms // 960 % 2 else AnsweredBy.UNKNOWN
        return Judgement(
            category=category, confidence=0.5, decision=Decision.SPEAK, evidence=(), at_ms=heard.at_ms
        )


class Guesses(Detector):
    """Takes a tape for a menu by its sound, until it has heard all of it; or a person, who it knows in the end."""

    who, decision = AnsweredBy.MACHINE, Decision.HANG_UP

    def take(self, heard):
        super().take(heard)
        told = {
            2016: (AnsweredBy.MENU, Decision.SPEAK, ("worded like a menu",)),
            6016: (self.who, self.decision, ("beep at 5.2 s, 1000 Hz",)),
        }
        if not isinstance(heard, Window) or heard.at_ms not in told:
            return None
        category, decision, evidence = told[heard.at_ms]
        self.judgement = Judgement(
            category=category, confidence=0.6, decision=decision, evidence=evidence, at_ms=heard.at_ms
        )
        return self.judgement


class KnowsAPersonLate(Guesses):
    who, decision = AnsweredBy.HUMAN, Decision.SPEAK


class Ears(Recognised):
    """Finds the number of a sound wherever a frame begins."""

    def feed(self, pcm):
        for number in np.unique(np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32))).tolist():
            if number in self._engine.words:
                self._numbers[number] = 1


def tone(ms, *hz):
    at = np.arange(8 * ms) / 8000
    wave = sum(np.sin(2 * math.pi * each * at) for each in hz)
    return (6000 * wave / len(hz)).astype("<i2").tobytes()


def in_frames(pcm):
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) // FRAME_BYTES * FRAME_BYTES, FRAME_BYTES)]


RINGS = tone(2000, 440, 480)
INFORMS = tone(330, 950) + tone(330, 1400) + tone(330, 1800)


async def talks(call):
    await call.say(GREETING)
    while not (await call.listen(no_reply_s=6)).silent:
        await call.say("Are you coming on Monday?")


class Call(Stage):
    """A stage whose line our detector follows."""

    def __init__(
        self, machine=HANG_UP, *, agent=talks, greet=Greet.AFTER_HELLO, late_ms=0, language="en", judges=Detector
    ):
        super().__init__(agent, machine=machine, greet=greet)
        open_streams, self.own = self.detector._streams, []

        def opened(on_window):
            stream = HearsNoTones(self.detector, on_window)
            open_streams.add(stream)
            return stream

        self.detector.open = opened
        self.ears.recognition = lambda: Ears(self.ears)
        how = Followed(
            recogniser=self.ears if language else None,
            to_message_end=machine.action == "leave_message",
            late_ms=late_ms,
        )
        detector = judges(language_of(language) if language else None)
        line, answering = self.media_line, self.session.answering
        self.detection = LiveDetection(detector, line, self.detector, answering, how)
        line.follow(self.detection)

    def hears(self, at_s, pcm):
        self.at(at_s, self.carrier.mouth.extend, in_frames(pcm))

    def heard_early(self, pcm):
        """Before the stream has started."""
        for frame in in_frames(pcm):
            self.media_line.received(frame)

    def spoken(self, text, ms):
        """Audio that is recognised as this."""
        number = CALLEE + len(self.ears.words)
        self.ears.words[number] = text
        return sound(number, ms)

    def echoes(self, from_s, until_s):
        """What the callee hears of us comes back."""

        def echo():
            heard = self.carrier.ear()
            self.carrier.mouth.append(heard[-1][1] if heard and heard[-1][0] > self.loop.time() - 0.03 else bytes(320))

        for tick in range(round(from_s * 50), round(until_s * 50)):
            self.at(tick / 50, echo)

    def without_audio(self, *, until_s):
        self.carrier.muted = until_s > 0
        self.at(until_s, setattr, self.carrier, "muted", False)

    def says(self, at_s, text, ms):
        self.at(at_s, self.callee_says, text, ms)

    async def run(self):
        talk = self.session.run

        async def run(start_timeout_s):
            end = await talk(start_timeout_s)
            await self.detection.aclose()
            return end

        self.session.run = run
        end = await super().run()
        queue = self.session.answering.own
        self.own = [queue.get_nowait() for _ in range(queue.qsize())]
        return end

    def first(self, category):
        return next(one for one in self.own if one.answered_by is category)

    @property
    def ours(self):
        return [turn for turn in self.notes.turns if turn.speaker == "agent"]


async def test_a_person_is_known_and_answered_after_the_hello():
    call = Call()
    call.says(0.5, "Hello?", 600)
    await call.run()
    assert call.first(AnsweredBy.HUMAN).detection_ms < 2100
    assert 1100 < call.ours[0].start_ms <= 2100
    assert call.session.answering.category is AnsweredBy.HUMAN


async def test_nobody_waits_longer_than_two_seconds_for_our_first_word():
    call = Call()
    await call.run()
    assert call.ours[0].start_ms <= 2100
    assert call.own[-1].answered_by is AnsweredBy.SILENCE


async def test_a_voicemail_is_hung_up_on_without_a_word_of_ours():
    call = Call()
    call.says(0.5, TAPE, 5500)
    call.hears(6.4, tone(400, 1000))
    end = await call.run()
    assert end.end_reason is EndReason.MACHINE
    assert call.ours == []
    verdict = call.first(AnsweredBy.MACHINE)
    assert verdict.is_ours
    assert verdict.revises
    assert any("said '" in each for each in verdict.evidence)


async def test_a_message_waits_for_the_beep_and_is_left_whole():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    call.hears(7.4, tone(400, 1000))
    end = await call.run()
    assert end.message_delivered
    [message] = call.ours
    assert message.text == MESSAGE
    assert 7800 < message.start_ms < 9000
    assert any(each.startswith("beep at 7.") for each in call.own[-1].evidence)
    assert call.own[-1].message_end
    assert call.own[-1].beeped


async def test_without_a_beep_the_silence_after_the_greeting_is_enough():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    end = await call.run()
    assert end.message_delivered
    assert 7700 <= call.ours[0].start_ms <= 8000
    assert "silence after the greeting" in call.own[-1].evidence


@pytest.mark.parametrize("beep_s", [None, 37.5, 38.8])  # before and after its silence is told of
async def test_a_greeting_that_lasts_too_long_gets_the_message_once_unless_it_beeps(beep_s):
    call = Call(MachinePolicy(action="leave_message", message=lambda call: MESSAGE * 4, by=DetectedBy.LOCAL))
    call.says(0.5, TAPE, 5500)
    for at_s in range(7, 37):
        call.says(at_s, "Or call my office.", 700)
    if beep_s:
        call.hears(beep_s, tone(400, 1000))
    end = await call.run()
    assert end.message_delivered
    assert [turn.interrupted for turn in call.ours] == ([True, False] if beep_s else [False])
    assert call.own[-1].message_end, "it was silent while we talked"


async def test_another_beep_has_the_message_begin_once_more_and_no_third_time():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    for at_s in (7.0, 9.5, 12.0):
        call.hears(at_s, tone(400, 1000))
    end = await call.run()
    assert end.message_delivered
    first, second = call.ours
    assert first.interrupted
    assert not second.interrupted
    assert second.start_ms > 9900


async def test_a_greeting_that_ends_softly_is_not_over_while_its_beep_is_on():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    call.hears(6.0, sound(600, 800))  # as near, and not as loud: by its loudest it has been silent for long
    call.hears(7.2, tone(500, 868))
    end = await call.run()
    assert (end.message_delivered, [turn.text for turn in call.ours]) == (True, [MESSAGE])
    assert call.own[-1].beeped
    assert any(each.startswith("beep at 7.2 s") for each in call.own[-1].evidence)
    assert 7700 + MESSAGE_PAUSE_MS <= call.ours[0].start_ms < 9000


@pytest.mark.parametrize("beep_ms", range(7500, 7800, 20))
async def test_a_message_that_begins_into_a_beep_is_left_once_more(beep_ms):
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    call.hears(beep_ms / 1000, tone(450, 868))  # while its silence is told of, or just before
    end = await call.run()
    assert end.message_delivered
    assert (call.ours[-1].text, call.ours[-1].interrupted) == (MESSAGE, False)
    assert call.ours[-1].start_ms >= beep_ms + 450 + MESSAGE_PAUSE_MS


async def test_music_behind_a_voicemail_does_not_keep_its_message_waiting():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    call.hears(6.0, b"".join(tone(300, hz) for hz in (523, 659, 784, 1047, 880, 698, 587, 784) * 4))
    end = await call.run()
    assert end.message_delivered
    assert call.ours[0].start_ms < 9800


async def test_a_full_mailbox_gets_no_message_and_is_told():
    call = Call(LEAVE)
    call.says(0.5, FULL, 5500)
    end = await call.run()
    assert (end.end_reason, end.message_delivered) == (EndReason.MACHINE, None)
    assert call.ours == []
    assert any("full" in each for one in call.own for each in one.evidence)


async def test_audio_that_was_lost_in_a_greeting_is_not_taken_for_its_end():
    call = Call(LEAVE)
    call.says(0.5, "Hi, you've reached the voicemail of Tom.", 2500)
    call.at(2.9, setattr, call.carrier, "muted", True)
    call.at(6.0, setattr, call.carrier, "muted", False)
    call.says(6.3, "Please leave a message after the tone.", 2500)
    end = await call.run()
    assert call.ours[0].start_ms > 8800
    assert end.message_delivered


async def test_a_mailbox_whose_last_words_are_recognised_late_is_known_to_be_full_all_the_same():
    call = Call(LEAVE)
    call.says(0.5, "Hi, you've reached the voicemail of Tom. I can't come to the phone.", 4500)
    call.at(5.0, setattr, call.ears, "takes_s", 3.5)
    call.says(5.6, "The mailbox is full.", 1400)
    end = await call.run()
    assert call.ours[0].start_ms < 10_000  # begun before anybody knew
    assert (end.end_reason, end.message_delivered) == (EndReason.MACHINE, None)
    assert any("full" in each for each in call.own[-1].evidence)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "You have reached Tom. At the tone, please record your message. When you have finished recording, you "
               "may hang up or press 1 for more options."),
        ("de", "Sie sind mit der Mailbox von Tom verbunden. Sprechen Sie nach dem Ton, danach können Sie auflegen."),
        ("fr", "Vous êtes sur la messagerie de Tom. Parlez après le bip. Une fois terminé, vous pouvez raccrocher."),
        ("es", "Este es el buzón de voz de Tom. Hable después de la señal. Al finalizar su mensaje puede colgar."),
    ],
)  # fmt: skip
async def test_a_mailbox_that_says_what_to_do_with_a_message_gets_one(language, text):
    call = Call(LEAVE, language=language)
    call.says(0.5, text, 5500)
    call.hears(7.4, tone(400, 1000))
    end = await call.run()
    assert not call.session.answering.mailbox_is_full
    assert end.message_delivered
    assert [turn.text for turn in call.ours] == [MESSAGE]


async def test_a_screening_service_hears_who_calls():
    call = Call(MachinePolicy(max_wait_s=30, by=DetectedBy.LOCAL, gates=Gates(reason=lambda live: REASON)))
    call.says(0.5, SCREENING, 4500)
    await call.run()
    assert call.first(AnsweredBy.SCREENING)
    assert REASON in [turn.text for turn in call.ours]


async def test_a_menu_gets_its_key():
    gates = Gates(keys=(("appointments", "1"),))
    call = Call(MachinePolicy(max_wait_s=30, by=DetectedBy.LOCAL, gates=gates))
    call.says(0.5, MENU, 5000)
    await call.run()
    assert call.first(AnsweredBy.MENU)
    assert ("gate", {"kind": AnsweredBy.MENU, "result": "keys_pressed"}) in call.notes.events


@pytest.mark.parametrize("machine", [HANG_UP, LEAVE])
async def test_a_fax_machine_is_hung_up_on_at_once(machine):
    call = Call(machine)
    call.hears(1.0, tone(500, 1100) + bytes(16 * 3000) + tone(500, 1100) + bytes(16 * 3000) + tone(500, 1100))
    end = await call.run()
    assert end.end_reason is EndReason.MACHINE
    assert call.first(AnsweredBy.FAX).evidence[0].startswith("fax tone at ")
    assert call.now_s() < 9.5


async def test_an_announcement_of_the_network_is_hung_up_on():
    call = Call()
    call.hears(0.4, INFORMS)
    call.says(1.6, NO_LINE, 6000)
    end = await call.run()
    assert end.end_reason is EndReason.MACHINE
    assert call.first(AnsweredBy.NETWORK)


async def test_our_own_voice_that_comes_back_is_nobodys():
    call = Call(greet=Greet.AT_ONCE)
    call.echoes(0.4, 8.0)
    await call.run()
    assert not any(one.answered_by in (AnsweredBy.HUMAN, AnsweredBy.MACHINE) for one in call.own)


async def test_our_own_words_that_come_back_after_a_hello_are_no_tapes():
    async def talks_on(live):
        await live.say(f"{GREETING} {REASON} It begins at ten, and takes half an hour. {MESSAGE}")
        await live.listen(no_reply_s=3)

    call = Call(agent=talks_on)
    call.at(2.5, call.ears.words.update, {call.voice.number: TAPE})  # all of them; of the first there is hardly any
    call.says(0.5, "Hello?", 600)
    call.echoes(1.2, 14.0)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert [turn.interrupted for turn in call.ours] == [False]
    assert call.first(AnsweredBy.HUMAN)
    assert not any("without a pause" in each for one in call.own for each in one.evidence)


async def test_a_person_who_barges_in_while_it_is_found_out_is_heard_and_not_hung_up_on():
    question = "Sorry, who is this, please?"
    call = Call(greet=Greet.AT_ONCE)
    call.says(1.2, question, 1600)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert call.ours[0].interrupted
    assert question in [turn.text for turn in call.notes.turns if turn.speaker == "callee"]
    assert call.session.answering.category is AnsweredBy.HUMAN


async def test_who_talks_over_us_while_it_is_found_out_is_heard():
    call = Call(greet=Greet.AT_ONCE)
    call.says(1.0, TAPE, 5500)
    end = await call.run()
    assert end.end_reason is EndReason.MACHINE


@pytest.mark.parametrize("early", ["it rings", "information tones", "an announcement"])
async def test_what_is_heard_before_the_stream_has_started_is_nobodys(early):
    call = Call()
    announcement = call.spoken(NO_LINE, 6000)
    call.heard_early({"it rings": RINGS, "information tones": INFORMS, "an announcement": announcement}[early])
    call.says(0.5, "Hello?", 600)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert call.first(AnsweredBy.HUMAN).evidence[0] == "said hello"
    assert 1100 < call.ours[0].start_ms <= 2100
    assert "service" not in " ".join(call.notes.lines)
    assert not any("tone" in each for one in call.own for each in one.evidence)


@pytest.mark.parametrize("rest", [tone(800, 440, 480), INFORMS[-6000:], INFORMS], ids=["it rings", "a tone", "tones"])
async def test_the_end_of_what_is_heard_before_the_answer_hangs_up_on_nobody(rest):
    call = Call()
    call.hears(0.0, rest)
    call.says(1.5, "Hello?", 600)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert 2000 < call.ours[0].start_ms <= 3500
    assert not any(one.answered_by in MACHINES for one in call.own)
    assert not any("beep" in each for one in call.own for each in one.evidence)


async def test_the_end_of_an_announcement_that_the_call_is_connected_is_nobodys_voicemail():
    call = Call()
    call.says(0.0, "Your call is being connected, please hold.", 1800)
    call.says(2.4, "Hello?", 600)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert call.ours != []
    assert not any(one.answered_by in MACHINES for one in call.own)


@pytest.mark.parametrize("late_ms", [1000, 1800, 3000])
async def test_a_stream_that_opens_late_has_nobody_wait_two_more_seconds(late_ms):
    call = Call(late_ms=late_ms)
    await call.run()
    assert 1000 <= call.ours[0].start_ms <= 1200
    assert call.own[0].detection_ms >= late_ms + 1000
    assert call.own[0].evidence[0].startswith("nobody spoke in ")


@pytest.mark.parametrize("late_ms", [1000, 2000, 3000])
async def test_who_says_hello_once_more_in_a_stream_that_opens_late_is_a_person(late_ms):
    call = Call(late_ms=late_ms)
    call.says(0.3, "Hello? Is anybody there?", 1400)
    await call.run()
    person = call.first(AnsweredBy.HUMAN)
    assert person.detection_ms == person.at_ms + late_ms
    assert 1700 < call.ours[0].start_ms <= 2700


@pytest.mark.parametrize("late_ms", [1000, 2000, 3000])
@pytest.mark.parametrize("machine", [HANG_UP, LEAVE], ids=lambda machine: machine.action)
async def test_a_voicemail_whose_beginning_nobody_heard_is_one_all_the_same(machine, late_ms):
    call = Call(machine, late_ms=late_ms)
    call.says(0.0, "come to the phone. Please leave a message after the tone, and I'll call you back.", 4500)
    call.hears(5.2, tone(400, 1000))
    end = await call.run()
    found = call.first(AnsweredBy.MACHINE)
    assert found.detection_ms == found.at_ms + late_ms
    if machine is LEAVE:
        assert (end.message_delivered, [turn.text for turn in call.ours]) == (True, [MESSAGE])
        assert call.ours[0].start_ms > 5600
    else:
        assert (end.end_reason, call.ours) == (EndReason.MACHINE, [])


@pytest.mark.parametrize(
    ("first_s", "late_ms", "least_ms"),
    [(0.0, 0, 1800), (0.4, 0, 1800), (1.7, 0, 2180), (0.0, 1000, 1000), (0.4, 1000, 1000), (1.7, 1000, 2180)],
)
async def test_who_has_not_spoken_is_listened_to_for_half_a_second_whenever_the_audio_comes(first_s, late_ms, least_ms):
    call = Call(late_ms=late_ms)
    call.without_audio(until_s=first_s)
    await call.run()
    assert least_ms <= call.ours[0].start_ms <= least_ms + 300


async def test_without_any_audio_our_first_word_comes_after_two_seconds():
    call = Call(late_ms=1000)
    call.without_audio(until_s=4)
    await call.run()
    assert 2000 <= call.ours[0].start_ms <= 2200


async def test_a_hello_in_audio_that_comes_late_is_not_spoken_into():
    call = Call()
    call.without_audio(until_s=1.7)
    call.says(1.8, "Hello?", 600)
    await call.run()
    assert call.ours[0].start_ms > 2400


async def test_nobody_who_has_answered_us_is_judged_any_more():
    async def asks(live):
        await live.say(GREETING)
        while not (await live.listen(no_reply_s=6)).silent:
            await live.say("Can you make it on Monday, or would Tuesday suit you better?")

    call = Call(agent=asks, greet=Greet.AT_ONCE)
    call.says(3.4, "Yes, speaking.", 900)
    call.says(9.7, TAPE, 6000)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert call.session.answering.has_replied
    assert not any(one.answered_by is AnsweredBy.MACHINE for one in call.own)


async def test_a_machine_found_right_after_the_callees_answer_is_not_even_written_down():
    call = Call()
    answering = call.session.answering
    answering._has_replied = lambda: True
    machine = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), revises=True, is_ours=True)
    call.at(1.0, answering.detected, machine)
    await call.run()
    assert machine not in call.own
    assert not answering.is_machine


async def test_after_the_deadline_a_machine_changes_nothing():
    call = Call()
    late = Verdict(answered_by=AnsweredBy.UNKNOWN, at=datetime.now(UTC), evidence=(DEADLINE,))
    call.at(0.2, call.session.answering.judged, late)
    call.says(0.5, TAPE, 5500)
    await call.run()
    assert not call.session.answering.is_machine


@pytest.mark.parametrize("how", ["stop", "cut", "hang_up"])
@pytest.mark.parametrize("at_s", [1.5, 4.0, 4.64])
async def test_a_callee_who_leaves_while_it_is_found_out_leaves_nothing_behind(how, at_s):
    call = Call()
    call.says(0.5, TAPE, 5500)
    call.at(at_s, getattr(call.carrier, how))
    await call.run()
    assert call.detector.open_streams == 0


@pytest.mark.parametrize("first", ["verdict", "hang-up"])
@pytest.mark.parametrize("by", [EndedBy.CALLEE, EndedBy.OPERATOR])
@pytest.mark.parametrize("machine", [HANG_UP, LEAVE], ids=lambda machine: machine.action)
async def test_a_verdict_and_a_hang_up_at_the_same_moment_are_both_told_and_nothing_is_said(machine, by, first):
    call = Call(machine)
    hang_up = call.carrier.stop if by is EndedBy.CALLEE else call.session.ask_hang_up
    answering = call.session.answering
    detected = answering.detected

    def racing(verdict, text="", *, may_speak=False):
        races = verdict.answered_by is AnsweredBy.MACHINE and not answering.is_machine
        if races and first == "hang-up":
            call.loop.call_soon(hang_up)
        detected(verdict, text, may_speak=may_speak)
        if races and first == "verdict":
            call.loop.call_soon(call.loop.call_soon, hang_up)

    answering.detected = racing
    call.says(0.5, TAPE, 5500)
    end = await call.run()
    assert end.end_reason is EndReason.MACHINE
    assert end.ended_by in ({by} if first == "hang-up" else {by, EndedBy.AGENT})
    assert (bool(end.message_delivered), call.ours) == (False, [])
    assert call.first(AnsweredBy.MACHINE)


async def test_what_comes_back_from_the_calls_record_takes_no_machine_back():
    call = Call(LEAVE)
    call.says(0.5, "Hello?", 500)
    call.says(2.2, TAPE, 5500)
    person = Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC))
    call.at(7.6, call.session.answering.judged, person)
    call.hears(9.0, tone(400, 1000))
    end = await call.run()
    assert end.message_delivered


async def test_without_a_recogniser_timing_and_tones_decide():
    call = Call(language=None)
    call.says(0.5, None, 6500)
    call.hears(7.5, tone(400, 1000))
    await call.run()
    assert any("words not known in this language" in one.evidence for one in call.own)
    assert call.ears.started <= 4


async def test_what_the_dialogue_has_recognised_is_not_recognised_again():
    call, spans = Call(), []
    recognise = call.detection._recognise
    call.detection._recognise = lambda span, pcm: (spans.append(span), recognise(span, pcm))
    call.says(0.5, "Hello?", 600)
    await call.run()
    assert spans == []
    assert call.first(AnsweredBy.HUMAN)


# -- what the detector isn't sure of -------------------------------------------------------------------------------


async def test_nobody_is_hung_up_on_for_words_that_our_detector_is_not_sure_of():
    """A television may have said them."""
    call = Call(judges=Unsure)
    call.says(0.5, TAPE, 5500)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert not any(one.answered_by is AnsweredBy.MACHINE for one in call.own)
    assert call.ours


@pytest.mark.parametrize("words", [SCREENING, MENU])
async def test_a_voicemail_behind_a_service_is_told_by_its_words(words):
    call = Call(LEAVE)
    call.says(0.5, words, 5000)
    for at_s, text in ((14.0, "You have reached Jane Miller."), (16.0, "Please leave a message after the tone.")):
        call.says(at_s, text, 1500)
    await call.run()
    assert call.session.answering.category is AnsweredBy.MACHINE
    assert call.ours[-1].text == MESSAGE


async def test_a_menus_third_option_is_pressed():
    gates = Gates(keys=(("support", "3"),))
    call = Call(MachinePolicy(max_wait_s=30, by=DetectedBy.LOCAL, gates=gates))
    call.says(0.5, MENU, 5000)
    call.says(7.6, "For support, press three.", 1800)
    await call.run()
    assert call.first(AnsweredBy.MENU)
    assert ("gate", {"kind": AnsweredBy.MENU, "result": "keys_pressed"}) in call.notes.events


async def test_a_mailbox_that_says_late_that_it_is_full_gets_no_message():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    for at_s in (6.9, 8.3, 9.7, 11.1):
        call.says(at_s, "Or call my office.", 900)
    call.says(12.6, "The mailbox is full. Goodbye.", 1900)
    end = await call.run()
    assert (end.end_reason, end.message_delivered) == (EndReason.MACHINE, None)
    assert call.ours == []


@pytest.mark.parametrize("again", [("Hello?", "Hello?"), ("Who is this?",)])
async def test_who_is_taken_for_a_machine_and_asks_again_is_not_kept_waiting(again):
    call = Call(LEAVE)
    machine = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC))  # of the carrier
    call.says(0.5, "Hello?", 500)
    call.at(1.2, call.session.answering.judged, machine)
    at_s = 2.0
    for _ in range(6):
        for text in again:
            call.says(at_s, text, 500)
            at_s += 1.7
    await call.run()
    [message] = call.ours
    assert message.text == MESSAGE
    assert message.start_ms < 2000 + 1700 * len(again) + 1400


async def test_a_machine_that_begins_late_gets_its_message_from_an_agent_that_says_little():
    async def announces(live):
        await live.say("Hello, this is the clinic.", interruptible=False)

    call = Call(LEAVE, agent=announces)
    call.says(2.3, TAPE, 5500)
    call.hears(8.6, tone(400, 1000))
    end = await call.run()
    assert end.message_delivered
    assert call.ours[-1].text == MESSAGE
    assert call.ours[-1].start_ms > 9000


async def test_who_is_not_known_is_not_kept_on_the_line_for_long_by_an_agent_that_has_finished():
    async def announces(live):
        await live.say(GREETING)

    call = Call(LEAVE, agent=announces)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED
    assert call.now_s() < call.ours[0].end_ms / 1000 + 2.2


# -- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["_tones", "_echo", "_detector"])
async def test_a_fault_of_detection_ends_detection_alone(where, caplog):
    call = Call(LEAVE)
    call.at(1.0, setattr, call.detection, where, None)
    call.says(0.5, TAPE, 5500)
    end = await call.run()
    assert end.end_reason is EndReason.COMPLETED, "the conversation goes on"
    assert not call.session.answering.is_followed
    assert [one.message for one in caplog.records].count("Detection of who answered failed") == 1


async def test_a_message_waits_no_longer_for_a_detector_that_has_failed_than_for_a_silence():
    call = Call(LEAVE)
    call.says(0.5, TAPE, 5500)
    call.at(5.0, setattr, call.detection, "_tones", None)
    call.at(4.5, call.session.answering.judged, Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC)))
    end = await call.run()
    assert end.message_delivered
    assert call.ours[-1].text == MESSAGE
    assert call.ours[-1].start_ms < 9000


async def test_who_is_a_machine_more_likely_than_not_is_told_at_the_end_alone():
    call = Call(judges=Unsure)
    call.says(0.5, TAPE, 5500)
    await call.run()
    assert not {one.answered_by for one in call.own} & MACHINES
    last = call.detection.at_end()
    assert (last.answered_by, last.at_end, last.is_ours) == (AnsweredBy.MACHINE, True, True)
    assert any("said" in each for each in last.evidence)


async def test_nothing_is_told_at_the_end_of_who_has_answered_us():
    call = Call(judges=Unsure)
    call.says(0.5, TAPE, 5500)
    call.says(11.0, "Yes, I do.", 900)
    call.says(14.5, "On Monday, yes.", 900)
    await call.run()
    assert call.session.answering.has_replied
    assert call.detection.at_end() is None


async def test_nothing_is_told_at_the_end_where_it_was_known_before():
    for heard, ms in (("Hello?", 600), (TAPE, 5500), (MENU, 5000)):
        call = Call()
        call.says(0.5, heard, ms)
        await call.run()
        assert call.detection.at_end() is None


async def test_a_tape_that_only_sounded_like_a_menu_is_hung_up_on_once_it_is_known():
    call = Call(judges=Guesses)
    call.says(0.5, "Good day.", 4500)
    end = await call.run()
    assert [one.answered_by for one in call.own] == [AnsweredBy.MENU, AnsweredBy.MACHINE]
    assert end.end_reason is EndReason.MACHINE


async def test_a_person_who_only_sounded_like_a_menu_is_one_at_the_end():
    call = Call(judges=KnowsAPersonLate)
    call.says(0.5, "Good day.", 4500)
    await call.run()
    assert call.detection.at_end().answered_by is AnsweredBy.HUMAN


async def test_a_person_is_one_or_is_not_known_to_be_once_and_no_oftener():
    call = Call(judges=Wavers)
    await call.run()
    told = [one.answered_by for one in call.own]
    assert AnsweredBy.HUMAN in told
    assert [{*pair} for pair in pairwise(told)].count({AnsweredBy.HUMAN, AnsweredBy.UNKNOWN}) <= 1

