"""Rules as YAML: read whole, or refused by the place of what is wrong."""

import pytest

from outdial.simulator.model.models import Call, Rule, SimulatedModel, Variable, When
from outdial.simulator.model.rule_files import Invalid, default_models, read

CLERK = """
simulated-clerk:
  first_token_s: 0.3
  token_s: 0.02
  variables:
    name: {system: "Name: (.+)"}
  rules:
    - name: look
      when: {user: [tuesday, next  week], declared: find_slot, turns: [1, 3]}
      say: Let me look, {name}.
      call: {tool: find_slot, arguments: {day: "{heard}"}}
    - when: {tool: find_slot, turns: 2}
      call: [note, {tool: hang_up, optional: true}]
    - say: Which day?
      reasoning: They want something.
      finish: length
    - data: {mood: good}
"""


def test_a_file_is_read_whole():
    assert read(CLERK) == (
        SimulatedModel(
            name="simulated-clerk",
            first_token_s=0.3,
            token_s=0.02,
            variables={"name": Variable(pattern="Name: (.+)")},
            rules=(
                Rule(
                    name="look",
                    when=When(user=r"(?<!\w)(?:tuesday|next\s+week)(?!\w)", declared="find_slot", turns=(1, 3)),
                    say="Let me look, {name}.",
                    calls=(Call(tool="find_slot", arguments={"day": "{heard}"}),),
                ),
                Rule(
                    name="rule 2",
                    when=When(tool="find_slot", turns=(2, 2)),
                    calls=(Call(tool="note"), Call(tool="hang_up", optional=True)),
                ),
                Rule(name="rule 3", say="Which day?", reasoning="They want something.", finish="length"),
                Rule(name="rule 4", data={"mood": "good"}),
            ),
        ),
    )


def test_the_models_that_ship_are_read_and_say_what_they_are():
    [demo] = default_models()
    assert demo.name == "simulated-reminder"
    assert len({rule.name for rule in demo.rules}) == len(demo.rules)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[", "no YAML"),
        ("- a", "models by their names"),
        ("clerk: {rules: [{say: x}]}", "clerk: a simulated model's name begins with simulated-"),
        ("simulated-x: {}", "simulated-x.rules: a list"),
        ("simulated-x: {rules: []}", "simulated-x.rules: a list"),
        ("simulated-x: {rules: [{say: x}], speed: 1}", "simulated-x.speed: unknown"),
        ("simulated-x: {rules: [{say: x}], token_s: -1}", "simulated-x.token_s: a number"),
        ("simulated-x: {rules: [{say: x}], variables: {a: x}}", "simulated-x.variables.a: an object"),
        ("simulated-x: {rules: [{say: x}], variables: {a: {}}}", "simulated-x.variables.a: where"),
        ("simulated-x: {rules: [{say: x}, {name: y}]}", "simulated-x.rules[1]: nothing to say"),
        ("simulated-x: {rules: [{say: 7}]}", "simulated-x.rules[0].say: a text"),
        ("simulated-x: {rules: [{say: x, finish: never}]}", "simulated-x.rules[0].finish: one of"),
        ("simulated-x: {rules: [{say: x, when: {user: '('}}]}", "simulated-x.rules[0].when.user: "),
        ("simulated-x: {rules: [{say: x, when: {user: []}}]}", "simulated-x.rules[0].when.user: an expression"),
        ("simulated-x: {rules: [{say: x, when: {usr: y}}]}", "simulated-x.rules[0].when.usr: unknown"),
        ("simulated-x: {rules: [{say: x, when: {turns: often}}]}", "simulated-x.rules[0].when.turns: a number"),
        ("simulated-x: {rules: [{call: {arguments: {}}}]}", "simulated-x.rules[0].call.tool: an expression"),
        ("simulated-x: {rules: [{call: {tool: a, arguments: []}}]}", "simulated-x.rules[0].call.arguments: an object"),
        ("simulated-x: {rules: [{call: {tool: a, optional: maybe}}]}", "simulated-x.rules[0].call.optional: true"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(text, place):
    with pytest.raises(Invalid) as invalid:
        read(text)
    assert str(invalid.value).startswith(place)
