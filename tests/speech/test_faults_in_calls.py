"""Each vendor's each fault at each moment of a call: the callee is never left in silence, nothing is said twice, and
the call goes on with the process's own engine, or ends with the truth.

Every test holds all calls of a vendor at once, in virtual time: a call is some 10 s, and takes a twentieth of one.
"""

import asyncio
from collections import Counter
from functools import partial
from itertools import cycle, product

import pytest

from outdial.media.pacer import Pacer
from outdial.simulator.faults import Fault, FaultKind
from outdial.speech.recognition_fallback import MOST_LOST
from speech.faulty_calls import AGENT_WORDS, SAID, Becomes, FaultyCall, Moment
from speech.recognition.test_conformance import VENDORS_CASES as EARS
from speech.synthesis.test_conformance import CASES as VOICES
from virtual_time import run

MOST_SILENCE_S = 4.0
BOTH = [(VOICES[2], EARS[0]), (VOICES[2], EARS[1]), (VOICES[1], EARS[2]), (VOICES[3], EARS[3])]


def cut(service):
    for wire in service.open():
        wire.line.cut()


def closed(service):
    for wire in service.open():
        wire.line.close(1011, "")


def garbled(service):
    for wire in service.open():
        wire.line.send("{")


def falls_silent(service):
    service.is_silent = True
    for wire in service.open():
        wire.is_silent = True


def soon_works_again(service):
    def works():
        service.is_silent, service.becomes = False, Becomes.WORKS
        for wire in service.open():
            wire.is_silent = False

    asyncio.get_running_loop().call_later(3.0, works)


def becomes(what, service):
    service.becomes = what
    cut(service)


HAPPENS = {"cut": cut, "closed": closed, "garbled": garbled, "falls silent": falls_silent} | {
    what.value: partial(becomes, what) for what in Becomes if what is not Becomes.WORKS
}
WAITED_FOR = {name: HAPPENS[name] for name in ("falls silent", Becomes.HANGS)}  # by somebody, in silence
LASTING = {"falls silent", *(what.value for what in Becomes)}
# A voice has no part in when the callee speaks, nor a recogniser in the middle of a sentence and after their last word.
SPEAKING = [moment for moment in Moment if moment is not Moment.CALLEE]
HEARING = [moment for moment in Moment if moment not in (Moment.SENTENCE, Moment.GOODBYE)]
ANSWERING = (Moment.BEFORE, Moment.CALLEE, Moment.BETWEEN, Moment.ANSWER)
OF_WEBSOCKETS = ("cut", "closed", "garbled")


async def held(name, call):
    """What is wrong with it, in a word or two."""
    end = await call.hold()
    return name, end, call


def all_at_once(calls):
    """Hold them, by name; nothing may be left of them."""

    async def main():
        pacer = Pacer()
        done = await asyncio.gather(*(held(name, make(pacer=pacer)) for name, make in calls.items()))
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []
        return {name: (end, call) for name, end, call in done}

    return run(main())


def in_each(calls, wrong):
    """What is wrong with each of some calls, by name."""
    found = {name: wrong(name, end, call) for name, (end, call) in all_at_once(calls).items()}
    return {name: what for name, what in found.items() if what}


def made(voice, ears, moment, happens, **options):
    call = FaultyCall(voice, ears, **options)
    call.moment = moment
    call.at[moment] = happens
    return call


def each_at_each(voice, ears, *, happens=HAPPENS, moments=Moment, **options):
    return {
        f"{name} {moment}": partial(made, voice, ears, moment, does, **options)
        for name, does in happens.items()
        for moment in moments
        if name not in OF_WEBSOCKETS or has_websocket(voice, ears)
    }


def has_websocket(voice, ears):
    return (voice is not None and not voice.by_http) or (ears is not None and ears.simulated is not None)


def what_is_wrong(name, end, call, *, exactly=True):
    """With a call whose agent has an engine to fall back on."""
    wrong = {}
    if call.silence_s >= MOST_SILENCE_S:
        wrong["silence_s"] = call.silence_s
    if end.error is not None:
        wrong["error"] = end.error.code
    if not (call.heard == list(SAID) if exactly else is_most_of(call.heard)):
        wrong["heard"] = call.heard
    if call.said != AGENT_WORDS and (exactly or not_quite(call.said)):
        wrong["said"] = call.said
    told = Counter(one["part"] for one in call.replaced)
    if any(count > 1 for count in told.values()):
        wrong["told"] = call.replaced
    return wrong


def is_most_of(heard):
    """Whether half of each reply was understood at least: it was guessed, and never said for good."""
    return len(heard) == len(SAID) and all(
        said.startswith(text) and len(text) >= len(said) / 2 for text, said in zip(heard, SAID, strict=True)
    )


def not_quite(said):
    """Whether more than a word is missing or said twice: a voice that tells no times broke off there."""
    missing = [word for word in AGENT_WORDS if word not in said]
    return len(missing) > 1 or len(said) > len(AGENT_WORDS) + 1


@pytest.mark.parametrize("voice", VOICES, ids=lambda case: case.vendor)
def test_whatever_happens_to_a_voice_the_callee_hears_all_of_it_once(voice):
    assert in_each(each_at_each(voice, None, moments=SPEAKING), what_is_wrong) == {}


@pytest.mark.parametrize("ears", EARS, ids=lambda case: case.model)
def test_whatever_happens_to_a_recogniser_the_agent_understands_all_of_it(ears):
    assert in_each(each_at_each(None, ears, moments=HEARING), what_is_wrong) == {}


@pytest.mark.parametrize(("voice", "ears"), BOTH, ids=lambda case: case.vendor)
def test_where_voice_and_recogniser_fail_at_once_their_waits_are_no_longer_together(voice, ears):
    assert in_each(each_at_each(voice, ears, happens=WAITED_FOR, moments=ANSWERING), what_is_wrong) == {}


@pytest.mark.parametrize(("voice", "ears"), [(VOICES[2], EARS[0]), (VOICES[3], EARS[3])], ids=lambda case: case.vendor)
def test_a_vendor_that_is_away_from_the_beginning_is_told_once_for_each_part(voice, ears):
    calls = each_at_each(voice, ears, moments=(Moment.BEFORE,))

    def untold(name, end, call):
        if name.split(f" {Moment.BEFORE}")[0] not in LASTING:
            return None
        told = {(one["part"], one["vendor"], one["by"]) for one in call.replaced}
        return told ^ {("voice", voice.vendor, "offline"), ("recognition", ears.vendor, "offline")}

    assert in_each(calls, untold) == {}


UTTERANCES = {Moment.BEFORE: "the greeting", Moment.CALLEE: "the answer", Moment.SENTENCE: "the goodbye"}
VOICE_FAULTS = {
    "slow": {"delay_s": 30.0},
    "no_end": {},
    "late": {"after_ms": 800},
    **{f"{kind} at {after_ms}": {"after_ms": after_ms} for after_ms in (0, 700)
       for kind in ("stalled", "cut", "closed", "garbled", "busy", "out_of_quota")},
}  # fmt: skip


def struck(kind, fields, service):
    service.faults.add(Fault(kind=kind, **fields))


def of_voice(name, once):
    fields = VOICE_FAULTS[name] | ({"count": 1} if once else {})
    return partial(struck, FaultKind(f"voice_{name.partition(' ')[0]}"), fields)


@pytest.mark.parametrize("voice", VOICES, ids=lambda case: case.vendor)
def test_a_simulated_voices_own_faults_in_each_utterance_once_or_for_good(voice):
    each = product(VOICE_FAULTS, UTTERANCES.items())
    calls = {
        f"{name} in {utterance}, {'once' if once else 'for good'}": partial(
            made, voice, None, moment, of_voice(name, once)
        )
        for (name, (moment, utterance)), once in zip(each, cycle((True, False)))
    }
    wrong = partial(what_is_wrong, exactly=voice.tells_words)
    assert in_each(calls, wrong) == {}


HEARING_FAULTS = {
    "slow": {"delay_s": 30.0}, "no_final": {}, "disordered": {}, "stalled": {"after_ms": 0}, "throttled": {},
    "unauthorized": {}, "error": {"status": 402}, **{
        f"{kind} at {after_ms}": {"after_ms": after_ms} for after_ms in (0, 2000, 3000, 3700, 5500)
        for kind in ("told", "stalled", "garbled")
    },
}  # fmt: skip


FAILS = {"slow": "slow", "throttled": "busy"}


def of_hearing(name):
    def happens(service):
        struck(FaultKind(f"hearing_{name.partition(' ')[0]}"), HEARING_FAULTS[name], service)
        cut(service)  # what is connected isn't struck any more

    return happens


@pytest.mark.parametrize("ears", EARS, ids=lambda case: case.model)
def test_a_simulated_recognisers_own_faults_from_each_moment_on(ears):
    calls = {
        f"{name} {moment}": partial(made, None, ears, moment, of_hearing(name))
        for name in HEARING_FAULTS
        for moment in (Moment.BEFORE, Moment.CALLEE, Moment.ANSWER)
        if moment is Moment.BEFORE or " at " not in name
    }
    assert in_each(calls, partial(what_is_wrong, exactly=False)) == {}


def is_truth(end, call):
    """Of a call that nobody could take over: it came to its end, or ended as one whose speech failed and says so."""
    by = [one["by"] for one in call.replaced]
    return end.error is None or (end.error.code == "speech_failed" and by == [None])


@pytest.mark.parametrize("voice", VOICES, ids=lambda case: case.vendor)
def test_where_nobody_else_speaks_the_language_the_call_ends_with_the_truth(voice):
    def wrong(name, end, call):
        is_whole = call.said == AGENT_WORDS
        is_once = call.said == AGENT_WORDS[: len(call.said)]
        if is_truth(end, call) and is_whole is (end.error is None) and is_once and call.silence_s < MOST_SILENCE_S:
            return None
        return end.error, call.said, call.silence_s

    calls = each_at_each(voice, None, moments=(Moment.BEFORE, Moment.SENTENCE), language="de-DE")
    assert in_each(calls, wrong) == {}


@pytest.mark.parametrize("ears", EARS, ids=lambda case: case.model)
def test_where_nobody_else_understands_the_language_the_call_goes_on_or_ends_with_the_truth(ears):
    """The callee says again what was lost, twice at most."""

    def wrong(name, end, call):
        is_lasting = name.split(f" {call.moment}")[0] in LASTING
        is_heard = is_lasting or call.heard == list(SAID)
        if is_truth(end, call) and is_heard and call.silence_s < MOST_SILENCE_S and call.asked_again < MOST_LOST:
            return None
        return end.error, call.heard, call.silence_s, call.asked_again

    moments = (Moment.BEFORE, Moment.BETWEEN, Moment.SENTENCE)
    assert in_each(each_at_each(None, ears, moments=moments, language="de-DE"), wrong) == {}


@pytest.mark.parametrize("does", [falls_silent, HAPPENS[Becomes.REFUSES_CONNECTIONS]], ids=["silent", "away"])
def test_words_that_a_recogniser_loses_once_are_said_again_and_the_call_goes_on(does):
    def lost(ears, **options):
        call = FaultyCall(None, ears, language="de-DE", **options)
        call.at = {Moment.GREETING: does, Moment.BETWEEN: soon_works_again}
        return call

    def wrong(name, end, call):
        came = end.error, call.heard, call.replaced, call.asked_again
        return None if came == (None, list(SAID), [], 1) and call.silence_s < MOST_SILENCE_S else came

    assert in_each({ears.model: partial(lost, ears) for ears in EARS}, wrong) == {}


@pytest.mark.parametrize("kind", ["slow", "throttled"])
def test_a_server_that_fails_again_and_again_is_asked_three_times_and_the_call_ends_with_the_truth(kind):
    def struck_for_good(**options):
        return made(None, EARS[3], Moment.BEFORE, of_hearing(kind), language="de-DE", **options)

    def wrong(name, end, call):
        is_told = [(one["reason"], one["by"]) for one in call.replaced] == [(FAILS[kind], None)]
        is_end = end.error is not None and end.error.code == "speech_failed" and call.asked_again == MOST_LOST - 1
        return None if is_told and is_end and call.silence_s < MOST_SILENCE_S else (end.error, call.replaced)

    assert in_each({kind: struck_for_good}, wrong) == {}
