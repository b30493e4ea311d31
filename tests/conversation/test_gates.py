"""What stands before a callee is told who calls, or gets its keys; then whoever comes is talked to from the start."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.gates import CERTAIN, PENDING_S, Gates
from outdial.conversation.opening import Greet
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy, Verdict

GREETING = "Hello Jane, this is the assistant of the clinic."
REASON = "This is the clinic's assistant, calling Jane about her appointment."
SCREENING = "Hi, if you record your name and reason for calling, I'll see if this person is available."
MENU = "To speak with someone, press one. To leave a message, press two."
VOICEMAIL = ("You have reached Jane Miller.", "Please leave a message after the tone.")

SAYS = MachinePolicy(gates=Gates(reason=lambda call: REASON))
PRESSES = MachinePolicy(gates=Gates(keys=(("leave a message", "2"), ("speak with someone", "1"))))


class Asks:
    """An agent that greets and asks until nobody replies; `begun` counts how often it did."""

    def __init__(self) -> None:
        self.begun = 0

    async def __call__(self, call):
        self.begun += 1
        await call.say(GREETING)
        while not (await call.listen(no_reply_s=4)).silent:
            await call.say("Are you coming on Monday?")


def ours(stage):
    return [turn.text for turn in stage.notes.turns if turn.speaker == "agent"]


def results(stage):
    return [data["result"] for type_, data in stage.notes.events if type_ == "gate"]


@pytest.mark.parametrize("greet", list(Greet))
async def test_a_screening_service_hears_the_reason_and_the_callee_the_agent_from_the_start(greet):
    agent = Asks()
    stage = Stage(agent, machine=SAYS, greet=greet)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(12.0, stage.callee_says, "Thanks. Please stay on the line.", 1500)
    stage.at(20.0, stage.callee_says, "Hello, this is Jane.", 1200)
    end = await stage.run()
    said = ours(stage)
    assert said[said.index(REASON) :][:3] == [REASON, "Of course.", GREETING]
    [greeting] = [turn for turn in stage.notes.turns if turn.text == GREETING and turn.start_ms > 20_000]
    assert 21_200 <= greeting.start_ms <= 22_700, "no second hello is waited for"
    assert results(stage) == ["reason_given", "passed"]
    assert (end.end_reason, agent.begun) == (EndReason.COMPLETED, 2)


async def test_the_reason_waits_for_the_end_of_the_service_and_its_tone():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    await stage.run()
    [reason] = [turn for turn in stage.notes.turns if turn.text == REASON]
    assert 5300 <= reason.start_ms <= 6500


async def test_nobody_is_waited_for_longer_than_half_a_minute():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    end = await stage.run()
    [reason] = [turn for turn in stage.notes.turns if turn.text == REASON]
    assert PENDING_S <= stage.now_s() - reason.end_ms / 1000 <= PENDING_S + 2
    assert (end.end_reason, end.ended_by) == (EndReason.MACHINE, EndedBy.AGENT)
    assert results(stage) == ["reason_given", "nobody_came"]


async def test_a_service_that_asks_again_hears_it_once_more_and_no_oftener():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    for at_s in (12.0, 20.0, 28.0):
        stage.at(at_s, stage.callee_says, "Please say your name.", 1200)
    await stage.run()
    assert ours(stage).count(REASON) == 2


async def test_a_service_that_hangs_up_has_ended_the_call():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(14.0, stage.carrier.stop)
    end = await stage.run()
    assert (end.end_reason, end.ended_by) == (EndReason.COMPLETED, EndedBy.CALLEE)


async def test_a_voicemail_behind_it_is_one():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    for at_s, text in zip((14.0, 16.0), VOICEMAIL, strict=True):
        stage.at(at_s, stage.callee_says, text, 1500)
    end = await stage.run()
    assert (end.end_reason, stage.session.answering.category) == (EndReason.MACHINE, AnsweredBy.MACHINE)
    assert stage.now_s() < 20


@pytest.mark.parametrize(
    "says",
    [
        "Thanks for calling, this is Karen.",
        "Hey, sorry I missed your call.",
        "Sorry, I was on the other line.",
        "Hi, what's it about?",
    ],
)
async def test_who_comes_is_talked_to_though_they_say_what_recordings_say(says):
    agent = Asks()
    stage = Stage(agent, machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(14.0, stage.callee_says, says, 1500)
    stage.at(25.0, stage.callee_says, "Yes, I am.", 900)
    end = await stage.run()
    greeting = next(turn for turn in stage.notes.turns if turn.text == GREETING and turn.start_ms > 14_000)
    assert greeting.start_ms <= 15_500 + 2100
    assert results(stage) == ["reason_given", "passed"]
    assert (end.end_reason, agent.begun) == (EndReason.COMPLETED, 2)


@pytest.mark.parametrize("asks", ["Hi, one sec.", "Thanks. Please stay on the line.", "Hold on."])
async def test_who_asks_us_to_wait_hears_that_we_do(asks):
    agent = Asks()
    stage = Stage(agent, machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(14.0, stage.callee_says, asks, 1200)
    stage.at(38.0, stage.callee_says, "Okay, I'm back.", 1000)
    await stage.run()
    waits = next(turn for turn in stage.notes.turns if turn.text == "Of course.")
    assert waits.start_ms <= 15_200 + 2500
    assert results(stage) == ["reason_given", "passed"], "half a minute begins anew"


async def test_what_a_service_says_of_its_work_is_not_who_it_calls():
    agent = Asks()
    stage = Stage(agent, machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(12.0, stage.callee_says, "Thank you. We are trying to reach the person you called.", 2500)
    await stage.run()
    assert (results(stage), agent.begun) == (["reason_given", "nobody_came"], 1)


async def test_who_takes_the_call_and_waits_for_us_to_speak_is_asked_whether_they_are_there():
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    await stage.run()
    [reason] = [turn for turn in stage.notes.turns if turn.text == REASON]
    asked = [turn.start_ms - reason.end_ms for turn in stage.notes.turns if turn.text == "Are you still there?"]
    assert asked[0] <= 5000
    assert len(asked) == 3


async def test_what_is_said_while_we_ask_is_heard():
    agent = Asks()
    stage = Stage(agent, machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)

    def answers():
        if not agent.answered and stage.notes.told and stage.notes.told[-1].text == "Are you still there?":
            agent.answered = True
            stage.callee_says("Hello?", 500)

    agent.answered = False
    for tick in range(100, 300):
        stage.at(tick / 10, answers)
    await stage.run()
    assert (results(stage), agent.begun) == (["reason_given", "passed"], 2)


async def test_what_a_service_answers_is_no_reply_of_the_callees():
    """Else whoever it comes from would be a person for good, and no voicemail."""
    stage = Stage(Asks(), machine=SAYS, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    stage.at(11.0, stage.callee_says, "Okay, one moment.", 1000)
    stage.at(14.0, stage.callee_says, "Please say your name.", 1000)
    stage.at(21.0, stage.callee_says, "Thank you, please hold.", 1000)
    for at_s, text in zip((25.0, 27.0), VOICEMAIL, strict=True):
        stage.at(at_s, stage.callee_says, text, 1500)
    end = await stage.run()
    assert not stage.session.replied.is_set()
    assert (end.end_reason, stage.session.answering.category) == (EndReason.MACHINE, AnsweredBy.MACHINE)


async def test_who_hangs_up_on_screening_services_says_nothing():
    stage = Stage(Asks(), machine=MachinePolicy(gates=Gates(hangs_up=True)), greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, SCREENING, 4000)
    end = await stage.run()
    assert (end.end_reason, end.ended_by, ours(stage)) == (EndReason.MACHINE, EndedBy.AGENT, [])
    assert results(stage) == ["hung_up"]


HANGS_UP = MachinePolicy(gates=Gates(hangs_up=True))


async def test_who_only_asks_what_services_ask_is_talked_to():
    agent = Asks()
    stage = Stage(agent, machine=HANGS_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "State your name and the reason for your call.", 2500)
    stage.at(9.0, stage.callee_says, "Yes, on Monday.", 900)
    end = await stage.run()
    assert (end.end_reason, agent.begun, results(stage)) == (EndReason.COMPLETED, 1, [])


@pytest.mark.parametrize("pause_s", [0.6, 1.2])
async def test_a_service_that_says_what_it_is_only_then_is_hung_up_on(pause_s):
    stage = Stage(Asks(), machine=HANGS_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "State your name and the reason for your call.", 2500)
    stage.at(2.8 + pause_s, stage.callee_says, "I will see if this person is available.", 2000)
    end = await stage.run()
    assert (end.end_reason, end.ended_by, results(stage)) == (EndReason.MACHINE, EndedBy.AGENT, ["hung_up"])


@pytest.mark.parametrize(("likely", "hung_up"), [(CERTAIN, True), (CERTAIN - 0.1, False), (None, False)])
async def test_what_our_detector_is_certain_of_is_hung_up_on_whatever_its_words(likely, hung_up):
    stage = Stage(Asks(), machine=HANGS_UP, greet=Greet.AFTER_HELLO)
    found = Verdict(answered_by=AnsweredBy.SCREENING, at=datetime.now(UTC), confidence=likely, is_ours=True)
    stage.at(1.0, stage.session.answering.detected, found, "Who is it, please?")
    await stage.run()
    assert results(stage) == (["hung_up"] if hung_up else [])


async def test_a_menu_gets_the_keys_of_the_words_it_says_longest_and_who_picks_up_the_agent():
    agent = Asks()
    stage = Stage(agent, machine=PRESSES, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, MENU, 4000)
    stage.at(9.0, stage.callee_says, "Hello?", 600)
    end = await stage.run()
    [sent] = [data for type_, data in stage.notes.events if type_ == "digits_sent"]
    assert (sent["count"], results(stage)) == (1, ["keys_pressed"])
    greeting = next(turn for turn in stage.notes.turns if turn.text == GREETING)
    assert 9600 <= greeting.start_ms <= 11_000
    assert (end.end_reason, agent.begun) == (EndReason.COMPLETED, 2)


async def test_who_a_menu_puts_us_through_to_is_asked_for_while_they_say_nothing():
    stage = Stage(Asks(), machine=PRESSES, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, MENU, 4000)
    await stage.run()
    said = [turn for turn in stage.notes.turns if turn.speaker == "agent"]
    texts = [turn.text for turn in said]
    first = texts.index(GREETING)
    assert texts[:first] == ["Are you still there?"] * 3
    assert all(later.start_ms - turn.end_ms <= 4500 for turn, later in pairwise(said[: first + 1]))


async def test_a_menus_option_that_it_says_later_is_pressed():
    stage = Stage(Asks(), machine=PRESSES, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "For sales, press one. For support, press two.", 3000)
    stage.at(4.4, stage.callee_says, "To speak with someone,", 1200)
    stage.at(6.4, stage.callee_says, "press three.", 800)
    await stage.run()
    assert results(stage) == ["keys_pressed"]


async def test_who_answers_behind_a_menu_with_its_words_hears_no_keys():
    stage = Stage(Asks(), machine=PRESSES, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "For sales, press one. For support, press two.", 3000)
    stage.at(8.0, stage.callee_says, "Hello, did you want to speak with someone?", 2000)
    await stage.run()
    assert results(stage) == []


async def test_a_menu_without_words_of_ours_is_talked_to():
    agent = Asks()
    stage = Stage(agent, machine=PRESSES, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "For sales, press one. For support, press two.", 3000)
    await stage.run()
    assert (results(stage), agent.begun) == ([], 1)


@pytest.mark.parametrize("policy", [SAYS, PRESSES])
async def test_a_person_notices_nothing_of_it(policy):
    agent = Asks()
    stage = Stage(agent, machine=policy, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "Hello?", 500)
    stage.at(8.0, stage.callee_says, "Yes, I am.", 900)
    end = await stage.run()
    assert (end.end_reason, agent.begun, results(stage)) == (EndReason.COMPLETED, 1, [])


async def test_what_an_agent_fails_with_is_told_as_ever():
    async def breaks(call):
        await call.say(GREETING)
        raise RuntimeError("broken")

    stage = Stage(breaks, machine=SAYS)
    end = await stage.run()
    assert (end.end_reason, end.error and end.error.code) == (EndReason.FAILED, "agent_failed")
