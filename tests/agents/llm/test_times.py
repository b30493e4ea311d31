"""When what happened in a turn, in virtual time, so to the millisecond."""

from itertools import pairwise

import pytest

from agents.llm.test_run import AGENT, GOODBYE, talk, told
from outdial.agents.llm.answering import SETTLE_S
from outdial.conversation.endpointing import PAUSE_MS
from outdial.conversation.transcript import Speaker
from outdial.testing.engines import speech_ms
from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run
from outdial.testing.written_model import After, WrittenModel

STAGES = (
    "ended_ms", "decided_ms", "text_ms", "first_token_ms", "first_sentence_ms", "first_audio_ms", "first_frame_ms",
    "played_ms",
)  # fmt: skip
SCRIPT = """
agent: {name: Reminder}
start: question
steps:
  question:
    ask: Are you coming on Tuesday?
    answers:
      - words: [yes]
        goto: thanks
  thanks:
    say: Thank you, and goodbye.
    hang_up: true
"""


def turns(phone: Phone, text: str):
    return next(turn for _, turn in sorted(phone.turns.items()) if text in turn.text)


def test_every_stage_of_a_models_turn_is_told():
    model = WrittenModel(["That is good to hear. Anything else?", GOODBYE], first_s=0.3, word_s=0.02)

    def callee(phone):
        phone.says("Yes, we are.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    said, answer = turns(phone, "Yes, we are."), turns(phone, "good to hear")
    first = told(phone, "turn_times")[0]
    assert first["seq"] == answer.seq
    assert first["ended_ms"] == said.end_ms
    apart = {name: first[name] - first[before] for before, name in pairwise(STAGES)}
    assert apart["decided_ms"] == PAUSE_MS
    assert apart["text_ms"] <= 20                        # known before; so long until the window was looked at
    assert apart["first_token_ms"] == 300 + 20           # the model's, and its first word
    assert apart["first_sentence_ms"] == 4 * 20          # its five words: nothing is waited for behind the last
    assert apart["first_audio_ms"] == 30                 # the engine's
    assert apart["first_frame_ms"] == 0
    assert first["first_frame_ms"] == answer.start_ms
    assert apart["played_ms"] == answer.end_ms - answer.start_ms
    assert first["first_frame_ms"] - first["ended_ms"] == answer.latency["total"]


def test_a_script_has_the_stages_that_there_are():
    async def call():
        phone = Phone(SCRIPT)
        phone.says("Yes.", after="Tuesday")
        await phone.talk()
        return phone

    phone = run(call())
    said, answer = turns(phone, "Yes."), turns(phone, "Thank you")
    [times] = told(phone, "turn_times")
    assert times["seq"] == answer.seq
    assert times["ended_ms"] == said.end_ms
    assert times["first_token_ms"] is times["first_sentence_ms"] is None
    assert times["first_audio_ms"] == times["first_frame_ms"] == answer.start_ms
    assert times["played_ms"] == answer.end_ms


def test_what_was_cut_short_was_not_played():
    model = WrittenModel(["You will see the doctor first. Then you will see the nurse.", GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("How long does all of that take?", after="You will see", over=True, pause_s=2.0)

    phone, _ = talk([model], callee)
    cut, _ = told(phone, "turn_times")
    assert cut["first_frame_ms"] is not None
    assert cut["played_ms"] is None


def test_behind_a_filler_the_answers_stages_are_told_and_its_own_are_not():
    model = WrittenModel([[After(6.0), "That is good to hear. Anything else?"], GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    said, filler, answer = turns(phone, "Yes."), turns(phone, "One moment"), turns(phone, "good to hear")
    first = told(phone, "turn_times")[0]
    assert (first["seq"], first["ended_ms"]) == (answer.seq, said.end_ms)
    assert first["first_token_ms"] > filler.start_ms


@pytest.mark.parametrize(
    ("text", "held_ms"), [("That is good.", 0), ("Is that good?", 0), ("Fine.", SETTLE_S * 1000)]
)
def test_the_first_sentence_is_spoken_within_60_ms_of_the_token_that_ends_it(text, held_ms):
    """Beside what the speech engine takes, and however long the model goes on."""
    model = WrittenModel([[text, After(2.0), " And so on, for ever."], GOODBYE], word_s=0.02, first_s=0.3)

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("No.", after="so on")

    phone, _ = talk([model], callee)
    times = told(phone, "turn_times")[0]
    token_ms = times["first_token_ms"] + 20 * (len(text.split()) - 1)
    assert times["first_frame_ms"] - token_ms == held_ms + 30
    assert held_ms <= 60
    assert turns(phone, text).end_ms - times["first_frame_ms"] > speech_ms(text) + 1900, "the rest was said as it came"


def test_times_are_of_turns_that_answer_the_callee():
    model = WrittenModel(["That is good. Anything else?", GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    agents = [turn for turn in phone.turns.values() if turn.speaker == Speaker.AGENT]
    assert len(agents) == 3
    assert {one["seq"] for one in told(phone, "turn_times")} == {turn.seq for turn in agents if turn.latency}
    assert AGENT.count("greeting") == 1, "which answers nobody"
