"""A step's free talk, read from YAML."""

from collections.abc import Callable

import pytest

from outdial.agents.kinds import KINDS
from outdial.agents.llm.free_talk import Fact, Limits, ModelName
from outdial.agents.review import review_agent
from outdial.agents.script.checks import models_of
from outdial.agents.script.model import Goto, HangUp, ScriptError, SetVariables, Talk, Understand
from outdial.agents.script.outline import outline_of
from outdial.agents.script.parse import parse_script
from outdial.agents.script.tree import read_tree

SCRIPT = """\
model: some-model
fallback: {model: other, base_url: http://127.0.0.1:9/v1}
variables: {amount: ninety dollars}
steps:
  arrange:
    talk: Find a day to pay {amount}.
    instructions: |
      Be brief.
        Really.
    opening: When can you pay?
    facts:
      day: {about: The day, type: string}
    tools: [wait]
    transfers:
      desk: {to: "+12025550177", say: Connecting you., failed: Nobody is there.}
    exits:
      agreed: {about: They have named a day., goto: terms}
      declined: {about: They won't., set: {outcome: declined}}
      later: terms
    limits: {turns: 8, tokens: 9000, then: terms}
    model_failed: {hang_up: We will write. Goodbye.}
    hang_up: Goodbye.
  terms:
    ask: You pay on {day}. Later we call on {day}. Do you agree?
    understand: model
    answers:
      - {name: agrees, words: [yes], hang_up: Thanks.}
      - {words: [no], goto: arrange}
"""
TWICE = "[{talk: A., exits: {a: {say: So.}}}, {talk: B., exits: {b: terms}}]"
SOME, OTHER = ModelName(name="some-model"), ModelName(name="other", base_url="http://127.0.0.1:9/v1")


def talk_of(source: str, step: str = "arrange") -> Talk:
    return next(one for one in parse_script(source).steps[step].block if isinstance(one, Talk))


def but(*changes: tuple[str, str]) -> str:
    source = SCRIPT
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    return source


def test_a_talk_is_read_whole():
    action = talk_of(SCRIPT)
    talk = action.talk
    assert [text.source for text in talk.instructions] == ["Find a day to pay {amount}.", "", "Be brief.", "Really."]
    assert talk.indents == ("", "", "", "  ")
    assert talk.models == (SOME, OTHER)
    assert talk.exits == {"agreed": "They have named a day.", "declined": "They won't.", "later": ""}
    assert talk.facts == (Fact(name="day", about="The day"),)
    assert talk.limits == Limits(turns=8, tokens=9000)
    assert (talk.tools, talk.place, talk.language) == (frozenset({"wait"}), "arrange/", "en-US")
    assert [target.name for target in talk.transfers] == ["desk"]
    assert action.exits["agreed"] == (Goto(step="terms", line=17),)
    assert isinstance(action.exits["declined"][0], SetVariables)
    assert action.exits["later"] == (Goto(step="terms", line=19),)
    assert action.at_limit == (Goto(step="terms", line=20),)
    assert action.model_failed is not None
    assert isinstance(action.model_failed[0], HangUp)
    assert action.opening is not None
    assert action.opening.source == "When can you pay?"
    assert parse_script(SCRIPT).steps["terms"].block[0].understand is Understand.MODEL


def test_a_step_may_have_models_of_its_own():
    source = but(("    instructions", "    model: own\n    instructions"), ("    understand: model\n", ""))
    assert talk_of(source).talk.models == (ModelName(name="own"),)
    assert models_of(parse_script(source)) == (ModelName(name="own"),)
    assert [one.reason for one in parse_script(source).warnings][-1] == "nothing in this script asks this model"
    assert KINDS["script"].models(parse_script(SCRIPT)) == (SOME, OTHER)


@pytest.mark.parametrize(("change", "line", "reason"), [
    (("model: some-model\nfallback: {model: other, base_url: http://127.0.0.1:9/v1}\n", ""), 4,
     "talk needs a model: name it here, or at the top for the whole script"),
    (("    tools: [wait]", "    tools: [fly]"), 13, "'fly' is no tool; there are send_digits, wait or call_back"),
    (("later: terms", "later: tems"), 19, "there is no step 'tems'; did you mean 'terms'?"),
    (("then: terms}\n    model", "then: tems}\n    model"), 20, "there is no step 'tems'; did you mean 'terms'?"),
    (("turns: 8", "turns: 0"), 20, "turns is a whole number from 1 to 500"),
    (("turns: 8", "rounds: 8"), 20, "'rounds' is unknown in limits"),
    (("declined: {about: They won't., set: {outcome: declined}}", "declined: {about: No., ask: Why?}"), 18,
     "ask in a step of its own, and goto that step"),
    (("    exits:", "    exit:"), 16, "'exit' is unknown in a step; did you mean 'exits'?"),
    (("      later: terms", "      to late: terms"), 19, "'to late' is no name"),
    (("day: {about: The day, type: string}", "outcome: What came of it"), 12, "'outcome' is noted by Outdial itself"),
    (("day: {about: The day, type: string}", "user_number: The number"), 12, "'user_number' is the call's own"),
    (('to: "+12025550177"', 'to: "{day}"'), 15, "a transfer goes to no number that the callee told: {day} is a fact"),
    (("    talk: Find a day to pay {amount}.", "    talk:"), 6, "talk is empty"),
    (("    talk: Find a day to pay {amount}.", "    talk: Find {{amount}}."), 6, "write {amount} with single braces"),
    (("    understand: model", "    understand: mind"), 25, "understand is words or model, not 'mind'"),
    (("    understand: model", "    exits: {a: terms}\n    understand: model"), 25,
     "'exits' belongs to 'talk', which isn't here"),
    (("{name: agrees, words: [yes], hang_up: Thanks.}", "{words: [yes], talk: More., exits: {a: terms}}"), 27,
     "talk in a step of its own, and goto that step"),
    (("    hang_up: Goodbye.", f"    goto: terms\n  more: {TWICE}"), 23, "a step has one talk"),
    (("    instructions", "    base_url: http://127.0.0.1:1/v1\n    instructions"), 7,
     "'base_url' belongs to 'model', which isn't here"),
])  # fmt: skip
def test_a_fault_is_named_with_its_line(change, line, reason):
    with pytest.raises(ScriptError) as told:
        parse_script(but(change))
    assert reason in told.value.reason
    assert told.value.line == line


def test_a_transfer_elsewhere_dials_no_number_that_the_model_noted():
    source = but(("hang_up: Thanks.", 'transfer: "{day}"'))
    with pytest.raises(ScriptError, match=r"goes to no number that the callee told: \{day\} is a fact"):
        parse_script(source)


def test_understanding_by_a_model_needs_one_and_answers_to_choose_among():
    source = "steps:\n  a:\n    ask: So?\n    understand: model\n    answers: [{words: [yes], hang_up: }]\n"
    with pytest.raises(ScriptError, match="line 4: understand: model needs a model"):
        parse_script(source)
    keys = f"model: m\n{source}".replace("words: [yes]", "digits: [1]")
    with pytest.raises(ScriptError, match="line 5: understand: model needs answers with words"):
        parse_script(keys)


@pytest.mark.parametrize("exit_", ["later: terms", "later: {goto: terms}"])
def test_an_exit_that_nothing_tells_the_model_to_take_is_a_warning(exit_):
    source = but(("later: terms", exit_))
    [warning] = parse_script(source).warnings
    assert warning.reason == "nothing tells the model when to take the exit 'later': say so in its about"
    assert warning.line == 19
    assert parse_script(source.replace("Be brief.", "Later is for who asks to be called again.")).warnings == ()


def test_a_talk_without_exits_is_a_warning():
    source = "model: m\nsteps:\n  a:\n    talk: Chat.\n"
    [warning] = parse_script(source).warnings
    assert (warning.line, warning.reason) == (4, "this talk has no exits: the model can't end it, only its limits do")


def test_a_review_has_what_a_talk_says_where_it_transfers_and_which_models_it_asks():
    asked: list[str] = []

    def may_use(model: ModelName) -> bool:
        asked.append(model.name)
        return model.name == "other"

    may_call: Callable[[str], bool] = lambda number: False  # noqa: E731
    review = review_agent(SCRIPT, may_call, may_use)
    assert review["errors"] == []
    said = {(one["step"], one["text"]) for one in review["prompts"]}
    assert said >= {
        ("arrange", "When can you pay?"), ("arrange", "Connecting you."), ("arrange", "Nobody is there."),
        ("arrange", "We will write. Goodbye."), ("terms", "You pay on {day}. Later we call on {day}. Do you agree?"),
    }  # fmt: skip
    assert asked == ["some-model", "other"]
    told = {(one["line"], one["message"].split(",")[0]) for one in review["warnings"]}
    assert (15, "+12025550177 is not among the workspace's allowed destinations") in told
    assert (1, "this server has no key for the model some-model") in told


def test_the_outline_has_the_ways_out_of_a_talk():
    [arrange, _] = outline_of(read_tree(SCRIPT)).steps
    assert [(way.on, str(way.does), way.step) for way in arrange.ways] == [
        (("agreed",), "goto", "terms"),
        (("later",), "goto", "terms"),
        (("desk",), "transfer", None),
        (("at its limit",), "goto", "terms"),
        (("model failed",), "hang_up", None),
        ((), "hang_up", None),
    ]
