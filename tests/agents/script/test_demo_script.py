"""The appointment reminder, branch by branch."""

from typing import Any

import pytest

from agents.script.fake_call import SILENCE, BargeIn, FakeCall, pressed
from outdial.agents.script.examples import load_example
from outdial.agents.script.model import MachineAction
from outdial.agents.script.parse import parse_script
from outdial.agents.script.run import run_script, speakable
from outdial.conversation.verb_results import CallEnded, Heard

SCRIPT = parse_script(load_example("appointment_reminder"))
JANE = {"user_name": "Jane", "account_type": "Premium"}


async def hold(*callee: str | Heard | BargeIn, variables: dict[str, Any] | None = None) -> FakeCall:
    call = FakeCall(callee=list(callee), variables=dict(JANE if variables is None else variables))
    with pytest.raises(CallEnded):
        await run_script(SCRIPT, call)
    return call


def test_the_demo_script_has_no_warnings():
    assert SCRIPT.warnings == ()
    assert (SCRIPT.start, SCRIPT.name, SCRIPT.language) == ("greeting", "Appointment reminder", "en-US")


async def test_a_callee_who_confirms_hears_the_whole_reminder():
    call = await hold("Yes, speaking.", "Yes, that works for me.", "Thank you, goodbye.")
    assert call.said == [
        "Hello Jane, this is the automated assistant of Riverside Dental.",
        "Am I speaking with Jane?",
        "Thank you for being one of our Premium patients.",
        "I'm calling to remind you of your appointment, tomorrow at ten thirty in the morning.",
        "Does that time still work for you?",
        "Wonderful, your appointment is confirmed. We look forward to seeing you. Goodbye.",
    ]
    assert call.noted["outcome"] == "confirmed"
    assert call.callee == []  # the callee's goodbye was listened to
    assert call.ended


async def test_keys_work_instead_of_words():
    call = await hold(pressed("1"), pressed("1"))
    assert call.noted["outcome"] == "confirmed"
    assert call.listened[0]["max_digits"] == 1


async def test_without_variables_it_still_reads_well():
    call = await hold("yes", "yes", variables={})
    assert call.said[:4] == [
        "Hello there, this is the automated assistant of Riverside Dental.",
        "Am I speaking with the person who has an appointment with us?",
        "I'm calling to remind you of your appointment, tomorrow at ten thirty in the morning.",
        "Does that time still work for you?",
    ]


async def test_a_hello_on_pick_up_is_no_answer_and_nothing_of_the_greeting_is_lost():
    call = await hold(BargeIn("Hello?", after=1), "Yes, speaking.", "Yes, that works for me.")
    assert call.said[:3] == [
        "Hello Jane, this is the automated assistant of Riverside Dental.",
        "Hello Jane, this is the automated assistant of Riverside Dental.",
        "Am I speaking with Jane?",
    ]
    assert call.noted["outcome"] == "confirmed"


async def test_a_late_hello_gets_the_question_again():
    call = await hold("Hello?", "Yes.", "Yes.")
    assert call.said[1:3] == ["Am I speaking with Jane?", "Am I speaking with Jane?"]
    assert call.noted["outcome"] == "confirmed"


@pytest.mark.parametrize(
    ("choice", "day"),
    [
        ("The first one, please.", "Thursday"),
        (pressed("1"), "Thursday"),
        ("Thursday works.", "Thursday"),
        ("Friday at nine would be better", "Friday"),
        ("two", "Friday"),
        (pressed("2"), "Friday"),
    ],
)
async def test_an_appointment_can_be_moved(choice, day):
    call = await hold("yes", "I need to move it.", choice)
    assert call.noted["outcome"] == "moved"
    assert call.noted["new_day"] == day
    assert call.said[-1].startswith(f"All right, I've moved your appointment to {day} at")


@pytest.mark.parametrize(
    "no", ["No, that doesn't work.", "I can't make it", pressed("2"), "No.", "Can we reschedule?"]
)
async def test_a_time_that_does_not_suit_leads_to_two_others(no):
    call = await hold("yes", no)
    assert "I can offer you Thursday at two in the afternoon" in call.said[-4] + call.said[-3]


async def test_neither_of_the_times_leads_to_the_front_desk():
    call = await hold("yes", "no", "Neither, sorry.")
    assert call.noted["outcome"] == "call_back"
    assert call.said[-1].startswith("Please call our front desk at +1 202-555-0199.")


@pytest.mark.parametrize("answer", ["No.", "You have the wrong number.", pressed("3"), "She's not here"])
async def test_the_wrong_person_hears_an_apology_and_nothing_private(answer):
    call = await hold(answer)
    assert call.noted["outcome"] == "wrong_person"
    assert not any("your appointment" in text for text in call.said)
    assert call.said[-1] == "I'm sorry to have bothered you. I'll make a note of it. Goodbye."


async def test_a_wrong_number_is_understood_in_the_middle_too():
    call = await hold("yes", "No, you have the wrong number!")
    assert call.noted["outcome"] == "wrong_person"


async def test_talk_to_someone_transfers_when_there_is_a_front_desk():
    call = await hold("Can I talk to someone?", variables={**JANE, "front_desk_number": "+1 (202) 555-0177"})
    assert call.transferred_to == "+12025550177"


async def test_zero_without_a_front_desk_says_what_to_do():
    call = await hold("yes", pressed("0"))
    assert call.transferred_to is None
    assert call.said[-1].startswith("Please call our front desk at")


async def test_who_is_this_is_answered_and_the_question_asked_again():
    call = await hold("Who is this?", "Yes.", "Yes.")
    assert call.said[1:4] == [
        "Am I speaking with Jane?",
        "This is the automated assistant of Riverside Dental.",
        "Am I speaking with Jane?",
    ]


async def test_a_bad_moment_ends_the_call_kindly():
    call = await hold("I'm driving, call me later.")
    assert call.noted["outcome"] == "not_now"


@pytest.mark.parametrize("moment", [[], ["yes"], ["yes", "no"]])
async def test_stop_calling_is_obeyed_at_any_question(moment):
    call = await hold(*moment, "Stop calling me. Don't call this number again.")
    assert call.noted["do_not_call"] is True
    assert call.said[-1].startswith("I'm sorry for the disturbance. I'll make sure that we don't call you")


async def test_stop_calling_is_obeyed_in_the_middle_of_the_greeting_and_after_the_goodbye():
    cut = await hold(BargeIn("Stop calling me!"))
    after = await hold("yes", "yes", "And take me off your list.")
    assert cut.noted["do_not_call"] is True
    assert after.noted["do_not_call"] is True
    assert len(cut.said) == 2


async def test_a_silent_callee_is_asked_again_and_left_alone():
    call = await hold()
    assert call.said[2] == "Hello? If this is Jane, please say yes, or press 1."
    assert call.said[-1].startswith("I'm sorry, I can't hear you.")
    assert call.noted["outcome"] == "unclear"


@pytest.mark.parametrize("known", [[], ["yes"]])
async def test_somebody_who_is_never_understood_is_told_so(known):
    call = await hold(*known, *["the weather is nice"] * 5)
    assert "Sorry, I didn't get that." in call.said[len(known) * 3 + 2]
    assert call.said[-1].startswith("I'm sorry, I'm having trouble understanding.")


async def test_silence_at_later_questions_ends_the_call_too():
    assert (await hold("yes", SILENCE, SILENCE)).noted["outcome"] == "unclear"
    assert (await hold("yes", "no", SILENCE, SILENCE)).noted["outcome"] == "unclear"


async def test_a_callee_who_answers_over_the_greeting_is_not_asked_again():
    call = await hold(BargeIn("Yes, this is Jane speaking.", after=6), "yes")
    assert "Am I speaking with Jane?" not in call.said
    assert call.noted["outcome"] == "confirmed"


async def test_a_question_that_is_answered_too_early_counts_as_answered():
    call = await hold("yes", BargeIn("Yes that works", into="Does that time"))
    assert call.said.count("Does that time still work for you?") == 1
    assert call.noted["outcome"] == "confirmed"


def test_the_voicemail_message_says_who_called_and_not_why():
    assert SCRIPT.machine.action is MachineAction.LEAVE_MESSAGE
    message = speakable(SCRIPT.machine.message or "", SCRIPT, FakeCall(variables=dict(JANE)))
    assert message == (
        "Hello Jane, this is Riverside Dental. Please call us back at +1 202-555-0199 when you have a "
        "moment. Thank you, and goodbye."
    )
    assert "appointment" not in message


def test_an_unknown_example_is_refused_by_name():
    with pytest.raises(LookupError, match="there are: appointment_reminder"):
        load_example("../secrets")
