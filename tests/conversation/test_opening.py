"""How a call opens: when we speak our first words, whoever answers and however."""

import pytest

from conversation.peers import Stage, speech_ms
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.commands import Say
from outdial.conversation.opening import AfterHello, Greet, HeardSoFar, HearOut, OpeningSoFar
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.verb_results import CallEnded
from outdial.telephony.state import CallDirection
from outdial.telephony.verdict import AnsweredBy

GREETING = "Hello Jane, this is the assistant of the clinic in Main Street."
DETECTED = MachinePolicy(action="hang_up", max_wait_s=30)
AFTER_HELLO = AfterHello(turn_phrases("en-US"))


async def greet(call):
    await call.say(GREETING)
    await call.listen(no_reply_s=2)


def opened(agent=greet, **how):
    return Stage(agent, **{"greet": Greet.AFTER_HELLO} | how)


def spoke_at_ms(stage):
    return next(turn.start_ms for turn in stage.notes.turns if turn.speaker == "agent")


# -- the pure part -------------------------------------------------------------------------------------------


def left_ms(*, silence_ms, talk_ms=0, words="", **known):
    heard = HeardSoFar(since_ms=9999, silence_ms=silence_ms, talk_ms=talk_ms, words=words)
    return AFTER_HELLO.left_ms(OpeningSoFar(heard=heard, **known))


@pytest.mark.parametrize(
    ("so_far", "expected_ms"),
    [
        ({"silence_ms": 0}, 1500),
        ({"silence_ms": 1490}, 10),
        ({"silence_ms": 1500}, 0),
        ({"silence_ms": 1500, "undecided": True}, 300),
        ({"silence_ms": 200, "is_human": True}, 0),
        ({"silence_ms": 0, "talk_ms": 400, "words": None}, None),
        ({"silence_ms": 250, "talk_ms": 400, "words": None}, 1250),
        ({"silence_ms": 250, "talk_ms": 400, "words": "Hello?"}, 250),
        ({"silence_ms": 250, "talk_ms": 400, "words": "Hello?", "undecided": True}, 250),
        ({"silence_ms": 500, "talk_ms": 900, "words": "Jane Miller speaking."}, 0),
        ({"silence_ms": 300, "talk_ms": 2400, "words": "Good morning, Miller Plumbing, Jane here."}, 400),
        ({"silence_ms": 300, "talk_ms": 2400, "words": "Good morning, Miller Plumbing.", "undecided": True}, 700),
        ({"silence_ms": 500, "talk_ms": 2400, "words": "Good morning, Miller Plumbing.", "is_human": True}, 0),
        ({"silence_ms": 300, "talk_ms": 1800, "words": "You have reached Jane Miller."}, 1500),
        ({"silence_ms": 0, "talk_ms": 6499, "words": ""}, None),
        ({"silence_ms": 0, "talk_ms": 6500, "words": ""}, 0),
        ({"silence_ms": 0, "talk_ms": 6500, "words": "You have reached Jane Miller."}, None),
        ({"silence_ms": 0, "talk_ms": 20_000, "words": "You have reached Jane Miller."}, 0),
        ({"silence_ms": 0, "talk_ms": 900, "words": "Hello?", "is_due": True}, None),
        ({"silence_ms": 40, "talk_ms": 900, "words": "Hello?", "is_due": True}, 0),
        ({"silence_ms": 0, "talk_ms": 900, "words": "Hello?", "is_due": True, "is_due_now": True}, 0),
    ],
)
def test_when_our_turn_has_come(so_far, expected_ms):
    assert left_ms(**so_far) == expected_ms


@pytest.mark.parametrize("undecided", [False, True])
@pytest.mark.parametrize("words", ["", None, "Hello?", "Um, yes, who", "You have reached Jane Miller."])
def test_no_silence_is_longer_than_two_seconds(words, undecided):
    assert left_ms(silence_ms=1800, talk_ms=500, words=words, undecided=undecided) == 0
    assert left_ms(silence_ms=1800, undecided=undecided) == 0


def test_a_machines_greeting_is_heard_out_but_not_for_ever():
    hear_out = HearOut()
    for since_ms, silence_ms, expected_ms in ((100, 100, 1600), (9000, 0, 1700), (9000, 1700, 0), (30_000, 0, 0)):
        heard = HeardSoFar(since_ms=since_ms, silence_ms=silence_ms)
        assert hear_out.left_ms(OpeningSoFar(heard=heard)) == expected_ms
    assert HearOut(is_over=lambda: True).left_ms(OpeningSoFar(heard=heard)) == 0


# -- on a call -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [None, DETECTED])
async def test_a_hello_is_answered_soon(machine):
    stage = opened(machine=machine)
    stage.at(0.3, stage.callee_says, "Hello?")
    await stage.run()
    said_until_ms = 300 + speech_ms("Hello?")
    assert said_until_ms + 450 <= spoke_at_ms(stage) <= said_until_ms + 700
    assert stage.notes.lines[:2] == ["callee: Hello?", f"agent: {GREETING}"]


@pytest.mark.parametrize(("machine", "at_ms"), [(None, 1500), (DETECTED, 1800)])
async def test_nobody_waits_in_silence(machine, at_ms):
    stage = opened(machine=machine)
    await stage.run()
    assert at_ms <= spoke_at_ms(stage) <= at_ms + 200


async def test_a_person_who_is_known_to_be_one_is_greeted_at_once():
    stage = opened(machine=DETECTED)
    stage.at(0.7, stage.answered_by, AnsweredBy.HUMAN)
    await stage.run()
    assert spoke_at_ms(stage) <= 900


async def test_detection_that_comes_to_no_result_is_waited_for_no_longer():
    stage = opened(machine=DETECTED)
    stage.at(0.2, stage.answered_by, AnsweredBy.UNKNOWN)
    await stage.run()
    assert 1500 <= spoke_at_ms(stage) <= 1700


async def test_a_late_hello_into_our_first_words_stops_nobody():
    stage = opened()
    stage.at(1.9, stage.callee_says, "Hello?")
    await stage.run()
    assert 1500 <= spoke_at_ms(stage) <= 1700
    [ours] = [turn for turn in stage.notes.turns if turn.speaker == "agent"]
    assert (ours.text, ours.interrupted) == (GREETING, False)


async def test_a_hello_that_begins_just_in_time_is_let_finish():
    stage = opened()
    stage.at(1.3, stage.callee_says, "Hello, who is there?")
    await stage.run()
    assert spoke_at_ms(stage) >= 1300 + speech_ms("Hello, who is there?") + 250


async def test_a_long_greeting_is_heard_out():
    stage = opened()
    stage.at(0.3, stage.callee_says, "Good morning, Miller Plumbing,", 1800)
    stage.at(2.6, stage.callee_says, "this is Jane, how can I help you?", 1800)
    await stage.run()
    assert 4400 + 250 <= spoke_at_ms(stage) <= 4400 + 1000


async def test_a_hello_that_more_is_said_behind_is_no_turn_of_ours():
    stage = opened()
    stage.at(0.3, stage.callee_says, "Hi.", 400)
    stage.at(1.1, stage.callee_says, "You have reached Miller Plumbing.", 1500)
    await stage.run()
    assert spoke_at_ms(stage) >= 2600


async def test_a_cough_is_no_greeting():
    stage = opened()
    stage.at(0.4, stage.callee_says, None, 300)
    await stage.run()
    assert 1500 <= spoke_at_ms(stage) <= 2000


async def test_who_talks_and_talks_is_spoken_to():
    stage = opened()
    stage.at(0.2, stage.callee_says, "and so on and so on", 15_000)
    await stage.run()
    assert spoke_at_ms(stage) <= 200 + 6500 + 400


async def test_words_that_are_never_recognised_keep_nobody_waiting():
    stage = opened()
    stage.ears.takes_s = 1000.0
    stage.at(0.3, stage.callee_says, "Hello?")
    await stage.run()
    assert spoke_at_ms(stage) <= 300 + speech_ms("Hello?") + 2000


async def test_what_was_said_before_answers_nothing():
    async def ask(call):
        await call.say("Are you coming on Monday?")
        heard.append(await call.listen(no_reply_s=2))

    heard = []
    stage = opened(ask)
    stage.at(0.3, stage.callee_says, "Yes?")
    await stage.run()
    assert [one.silent for one in heard] == [True]


async def test_an_agent_may_hear_the_greeting_before_it_speaks():
    async def polite(call):
        heard.append((await call.greeting()).text)
        await call.say(GREETING)
        heard.append((await call.greeting()).silent)

    heard = []
    stage = opened(polite)
    stage.at(0.3, stage.callee_says, "Miller, good morning.")
    await stage.run()
    assert heard == ["Miller, good morning.", True]


async def test_an_agent_that_listens_first_hears_the_hello():
    async def listens(call):
        heard.append((await call.listen(no_reply_s=3)).text)
        await call.say(GREETING)

    heard = []
    stage = opened(listens)
    stage.at(0.3, stage.callee_says, "Hello?")
    await stage.run()
    assert heard == ["Hello?"]


async def test_somebody_outside_may_speak_meanwhile():
    stage = opened()
    stage.at(0.2, lambda: stage.commands.append(stage.loop.create_task(stage.session.carry_out(Say(text="One.")))))
    await stage.run()
    assert stage.notes.lines == ["agent: One.", f"agent: {GREETING}"]


@pytest.mark.parametrize("how", [{"greet": Greet.AT_ONCE}, {"direction": CallDirection.INBOUND}])
async def test_others_are_greeted_at_once(how):
    stage = opened(**how)
    await stage.run()
    assert spoke_at_ms(stage) <= 100


@pytest.mark.parametrize("at_s", [0.1, 0.5, 0.9, 1.45])
async def test_who_hangs_up_meanwhile_ends_the_call(at_s):
    async def agent(call):
        try:
            await call.say(GREETING)
        except CallEnded:
            ended.append(True)
            raise

    ended = []
    stage = opened(agent)
    stage.at(0.2, stage.callee_says, "Hello?")
    stage.at(at_s, stage.carrier.stop)
    await stage.run()
    assert ended == [True]


async def test_a_television_behind_keeps_nobody_waiting():
    stage = opened()
    for at_s in (0.2, 1.0, 1.8, 2.6):
        stage.loop.call_at(stage.began + at_s, stage.carrier.say, 150, 600)  # far below a callee's level
    stage.ears.words[150] = "and now the weather"
    await stage.run()
    assert 1500 <= spoke_at_ms(stage) <= 1800
