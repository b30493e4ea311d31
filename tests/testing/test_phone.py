"""A phone in memory, as those who write agents use it."""

import inspect

import outdial.testing
from outdial.telephony.state import EndReason
from outdial.testing import Phone, run

SCRIPT = """
steps:
  a:
    ask: Which day would suit you for the visit?
    save_as: day
    answers:
      - {name: friday, words: [friday], digits: [5]}
      - {name: monday, words: [monday]}
    goto: b
  b:
    say: All right, {day} it is, our technician is going to be there between nine and eleven in the morning.
    hang_up: Goodbye.
"""


def talked(prepare, **how):
    async def call():
        phone = Phone(SCRIPT, **how)
        prepare(phone)
        return phone, await phone.talk()

    return run(call())


def test_a_script_is_talked_through_by_what_the_callee_says():
    phone, end = talked(lambda phone: phone.says("Friday, please.", after="Which day"))
    assert phone.noted == {"day": "friday"}
    assert phone.lines[:2] == ["agent: Which day would suit you for the visit?", "callee: Friday, please."]
    assert phone.lines[-1] == "agent: Goodbye."
    assert end.end_reason is EndReason.COMPLETED


def test_keys_are_pressed():
    phone, _ = talked(lambda phone: phone.presses("5", after="Which day"))
    assert phone.noted == {"day": "friday"}


def test_what_is_said_twice_is_said_one_after_the_other():
    def prepare(phone):
        phone.says("Tuesday.", after="Which day")
        phone.says("Then on Monday.", after="Which day")

    phone, _ = talked(prepare)
    assert phone.noted == {"day": "monday"}
    assert "agent: Sorry, I didn't get that. Which day would suit you for the visit?" in phone.lines


def test_an_interruption_is_one_and_a_listening_word_is_none():
    def prepare(phone, word):
        phone.says("Friday.", after="Which day")
        phone.says(word, after="All right", over=True, pause_s=2.0)

    phone, _ = talked(lambda phone: prepare(phone, "Wait, I meant another day."))
    assert len(phone.interrupted) == 1
    assert phone.interrupted[0].startswith("All right, friday it is,")
    phone, _ = talked(lambda phone: prepare(phone, "Okay."))
    assert phone.interrupted == []


def test_the_callee_hangs_up():
    phone, end = talked(lambda phone: phone.hangs_up(after="Which day"))
    assert phone.noted == {}
    assert end.ended_by == "callee"


def test_a_coroutine_is_an_agent_too_and_may_transfer():
    async def agent(call):
        await call.say(f"Hello {call.variables['name']}, do you want to talk to somebody?")
        if "yes" in (await call.listen()).text.lower():
            await call.transfer("+12025550123")

    async def call():
        phone = Phone(agent, variables={"name": "Jane"})
        phone.says("Yes, please.", after="Hello Jane")
        end = await phone.talk()
        return phone, end

    phone, end = run(call())
    assert phone.transferred_to == ["+12025550123"]
    assert end.transferred


def test_the_example_of_the_package_is_one():
    assert "Phone(my_agent)" in inspect.getdoc(outdial.testing)
    assert set(outdial.testing.__all__) == {"Phone", "run"}
