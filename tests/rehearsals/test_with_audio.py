"""Rehearsals whose callees are heard: they mean what they mean without audio. Real engines, virtual time."""

import re
from dataclasses import replace

import pytest

from outdial.agents.script.examples import load_example
from outdial.rehearsals.parse import parse_rehearsals
from outdial.rehearsals.run import Rehearsed, Tried, rehearse
from outdial.rehearsals.with_audio import rehearse_with_audio
from outdial.speech.offline import available
from outdial.testing.audio_call import AudioEngines

pytestmark = pytest.mark.skipif(
    any(engine.problem for engine in available()), reason="no offline speech on this platform"
)

SCRIPT = Tried.of(
    """\
steps:
  greeting:
    say: This is Riverside Dental, and we have some good news for you today.
    ask: Shall I go on?
    answers:
      - words: [yes]
        digits: [1]
        goto: day
      - words: [no]
        set: {outcome: refused}
        hang_up: Goodbye.
  day:
    ask: Thursday or Friday?
    answers:
      - words: [thursday]
        set: {outcome: thursday}
        transfer: {to: "+12025550177", failed: sorry}
      - words: [friday]
        set: {outcome: friday}
        hang_up: Goodbye.
  sorry:
    hang_up: Nobody is there. Goodbye.
"""
)


@pytest.fixture(scope="module")
def engines():
    return AudioEngines.offline()


def spoken(lines: str, engines: AudioEngines) -> Rehearsed:
    [done] = rehearse_with_audio(SCRIPT, rehearsals(lines), engines)
    return done


def rehearsals(lines):
    return parse_rehearsals(f"rehearsals:\n  - name: a\n    call: {lines}\n").rehearsals


@pytest.mark.parametrize("name", ["Jane takes the second time", "Jane is driving, and says so at once"])
def test_the_example_goes_as_written_with_audio_too(name, engines):
    source = load_example("appointment_reminder.rehearsals")
    chosen = [one for one in parse_rehearsals(source).rehearsals if one.name == name]
    [done] = rehearse_with_audio(Tried.of(load_example("appointment_reminder")), chosen, engines)
    assert done.wrong is None
    assert done.spoken
    for one in done.spoken:
        assert not one.is_misheard, one
        assert one.reply_ms is not None
        assert 200 <= one.reply_ms <= 1500
        assert one.said in source.splitlines()[one.line - 1]


@pytest.mark.parametrize(
    ("lines", "outcome", "steps"),
    [
        ("[says: 'Yes.', says: [I think, 0.9 s, Friday.]]", "friday", "greeting day"),
        ("[interrupts: {after: Riverside Dental, says: Mhm.}, hears: news for you, presses: 1, says: Friday.]",
         "friday", "greeting day"),
        ("[interrupts: {after: 1.2 s, says: 'No, please stop.'}]", "refused", "greeting"),
        ("[interrupts: {after: Riverside Dental}, hears: shall I go on, says: Hold on a moment., hears: of course, "
         "waits: 3, hangs_up]", "hung_up_early", "greeting"),
        ("[presses: 1, says: Thursday., transfer: busy, hears: nobody is there]",
         "transfer_failed", "greeting day sorry"),
    ],
)  # fmt: skip
def test_a_callee_means_the_same_with_audio_and_without(lines, outcome, steps, engines):
    [without] = rehearse(SCRIPT, rehearsals(lines))
    for done in (without, spoken(lines, engines)):
        assert done.wrong is None
        assert (done.outcome, " ".join(one.step for one in done.path)) == (outcome, steps)


def test_what_was_misheard_is_told_with_what_went_wrong(engines):
    class MishearsAll:
        name = "mishears"
        waited_ms = 0

        def recognition(self):
            return self

        def feed(self, pcm):
            pass

        async def text(self):
            return "it is nice over there"

        async def partial(self):
            return None

    done = spoken("[presses: 1, says: Friday., hears: goodbye]", replace(engines, speech_to_text=MishearsAll()))
    assert done.line == 3
    assert done.wrong is not None
    told = "doesn't hear this; .*; before that, 'Friday.' on line 3 was heard as 'it is nice over there'$"
    assert re.search(told, done.wrong)
    assert done.outcome is None


@pytest.mark.parametrize("noise", ["20", "television"])
def test_noise_is_heard_and_borne(noise, engines):
    one = "{name: a, call: [presses: 1, says: Friday.], expect: {outcome: friday}}"
    source = f"noise: {noise}\nrehearsals: [{one}]"
    [done] = rehearse_with_audio(SCRIPT, parse_rehearsals(source).rehearsals, engines)
    assert done.wrong is None


def test_a_transfer_that_is_not_made_and_a_line_that_comes_too_late_are_told(engines):
    assert spoken("[transfer: busy]", engines).wrong == "the agent listens here, and makes no transfer"
    over = spoken("[says: 'No.', says: And more., says: Even more.]", engines)
    assert over.wrong == "the call was over before this; the agent said nothing"
