"""A talk with an agent whose model answers: the simulator's, in this process and in virtual time."""

from typing import Any

import pytest

from outdial.agents.llm.answering import TIMEOUT
from outdial.agents.script.examples import load_example
from outdial.cli.stand_in_model import StandInModel
from outdial.rehearsals.run import Rehearsed, Tried, talk_with_models
from outdial.rehearsals.tape import MAX_ARGUMENTS, MAX_CALLS, MAX_TOOL, Elsewhere, Tape, TapedAnswer
from outdial.testing import run
from outdial.testing.callee import Says
from outdial.testing.written_model import After, Fails, WrittenModel, calls

REMINDER = Tried.of(load_example("model_reminder"))
JANE = {"user_name": "Jane", "front_desk_number": "+12025550142"}


def talked(*said: str, model: Any = None, tape: Tape | None = None, variables: Any = JANE) -> Rehearsed:
    models = [StandInModel() if model is None else model] * len(REMINDER.models)
    return run(talk_with_models(REMINDER, [Says(one) for one in said], variables, models, tape or Tape()))


@pytest.mark.parametrize(
    ("said", "outcome", "noted"),
    [
        (["Yes, speaking.", "Yes, that works.", "Bye."], "confirmed", {}),
        (
            ["Who is this?", "Yes, this is Jane.", "What time was it again?", "Okay, I'll be there.", "Bye."],
            "confirmed",
            {},
        ),
        (["Yes.", "I'm not sure.", "I think so.", "Thanks."], "confirmed", {}),
        (
            ["Yes.", "No, I can't make it.", "What about Monday?", "The second one.", "Thanks."],
            "moved",
            {"new_day": "Friday", "new_time": "nine in the morning"},
        ),
        (["Yes.", "I have to cancel.", "Neither of them.", "Bye."], "call_back", {}),
        (["No, she isn't here.", "Bye."], "wrong_person", {}),
        (["Yes.", "What does it cost?"], "transferred", {}),
        (["Could I speak to a human?"], "transferred", {}),
        (["Hold on.", "Yes, I'm here.", "Perfect.", "Bye."], "confirmed", {}),
        (["Please take me off your list."], "do_not_call", {}),
    ],
)
def test_the_demos_agent_talks_with_whoever_tries_it(said, outcome, noted):
    done = talked(*said)
    assert (done.wrong, done.outcome) == (None, outcome)
    assert noted.items() <= done.noted.items()


def test_without_a_front_desk_nobody_is_connected():
    done = talked("Yes.", "What does it cost?", "Bye.", variables={"user_name": "Jane"})
    assert (done.outcome, done.wrong) == ("call_back", None)


def test_a_model_is_asked_once_for_each_answer():
    """The talk is held anew with each line, the answers that there are come off the tape."""
    model, answers, told = WrittenModel(["One?", "Two?", [calls("hang_up", goodbye="Bye.", outcome="moved")]]), [], []
    for count in range(4):
        tape = Tape(answers)
        done = talked(*["Yes."] * count, model=model, tape=tape)
        assert [turn.text for turn in done.turns][: len(told)] == told
        answers, told = tape.answers, [turn.text for turn in done.turns]
        assert len(model.asked) == len(answers) == count
    assert [(one.says, one.calls) for one in answers][:2] == [("One?", ()), ("Two?", ())]
    assert answers[0].first_word_ms == 120
    assert [(one.tool, one.arguments) for one in done.tools] == [("hang_up", {"outcome": "moved"})]


def test_an_answer_that_failed_fails_again_and_is_not_asked_for():
    model = WrittenModel([["Half ", Fails("server_error")], "Whole?"])
    first = Tape()
    done = talked("Yes.", model=model, tape=first)
    assert [one.fails for one in first.answers] == ["server_error", None]
    again = talked("Yes.", model=WrittenModel([]), tape=Tape(first.answers))
    assert [turn.text for turn in again.turns] == [turn.text for turn in done.turns]


def test_a_model_that_takes_too_long_is_on_the_tape():
    tape = Tape()
    done = talked("Yes.", model=WrittenModel([[After(60), "Late."]]), tape=tape)
    assert [one.fails for one in tape.answers] == [TIMEOUT]
    assert done.wrong == "The agent's model failed: timeout."


def test_tokens_of_answers_on_the_tape_count_for_the_limits():
    source = load_example("model_reminder").replace("turns: 20", "turns: 20, tokens: 100")
    model = WrittenModel(["One?"], tokens=1)
    taped = [TapedAnswer(says="Yes?", tokens=100)]
    done = run(talk_with_models(Tried.of(source), [Says("Yes."), Says("Yes.")], JANE, [model], Tape(taped)))
    assert (done.ended_by, len(model.asked)) == ("agent", 0)


async def test_a_model_is_asked_on_the_loop_that_it_belongs_to():
    import asyncio

    loops = []

    class Model(WrittenModel):
        async def ask(self, request):
            loops.append(asyncio.get_running_loop())
            async for piece in super().ask(request):
                yield piece

    model = Model(["One?", [Fails("overloaded")]], first_s=0, word_s=0)
    elsewhere, here, tape = Elsewhere(model, asyncio.get_running_loop()), asyncio.get_running_loop(), Tape()
    said = [Says("Yes."), Says("Yes.")]
    done = await asyncio.to_thread(lambda: asyncio.run(talk_with_models(REMINDER, said, JANE, [elsewhere], tape)))
    assert set(loops) == {here}
    assert tape.answers[0].says == "One?"
    assert "overloaded" in [one.fails for one in tape.answers]
    assert done.wrong is not None


def test_whatever_a_model_writes_can_be_sent_back():
    nonsense = [calls("no" * 100, a="x" * 30_000)] * 30
    tape = Tape()
    talked("Yes.", model=WrittenModel([["A\0b.", *nonsense], "Well?"] * 3), tape=tape)
    first = tape.answers[0]
    assert (first.says, len(first.calls)) == ("Ab.", MAX_CALLS)
    assert all(len(tool) <= MAX_TOOL and len(given) <= MAX_ARGUMENTS for tool, given in first.calls)
