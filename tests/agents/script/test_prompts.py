from outdial.agents.kinds import parse_agent
from outdial.agents.script.examples import BLANK, list_examples, load_example
from outdial.agents.script.parse import parse_script
from outdial.agents.script.prompts import script_prompts
from outdial.agents.script.template import parse_text
from outdial.speech.reading.reader import has_rules

SCRIPT = """
machine:
  action: leave_message
  message: >
    Hello {user_name|there},
    goodbye.
do_not_call: {say: Never again.}
anywhere:
  - words: [who]
    say: It's us.
steps:
  greeting:
    - if: plan
      exists: true
      then: {say: "Thanks for {{1}} {plan}."}
      else: {hang_up: }
    - ask: Is it {user_name}?
      answers:
        - words: [yes]
          hang_up: Bye {user_name}, {customer.city}.
      no_reply: {reprompt: Are you there?, then: end}
      no_match: end
      goto: end
  end:
    hang_up: Goodbye.
"""


def test_everything_a_script_says_is_told_in_its_order_with_its_line():
    prompts = script_prompts(parse_script(SCRIPT))
    assert [(one.step, one.verb, one.line, one.text, one.variables) for one in prompts] == [
        ("machine", "message", 4, "Hello {user_name|there}, goodbye.", ("user_name",)),
        ("do_not_call", "say", 7, "Never again.", ()),
        ("anywhere", "say", 10, "It's us.", ()),
        ("greeting", "say", 15, "Thanks for {{1}} {plan}.", ("plan",)),
        ("greeting", "ask", 17, "Is it {user_name}?", ("user_name",)),
        ("greeting", "hang_up", 20, "Bye {user_name}, {customer.city}.", ("user_name", "customer.city")),
        ("greeting", "reprompt", 21, "Are you there?", ()),
        ("end", "hang_up", 25, "Goodbye.", ()),
    ]


def test_outdial_s_own_words_are_none_of_the_script_s():
    script = parse_script("steps: {a: {ask: Well?, answers: [{words: [yes], hang_up: Bye.}], hang_up: }}")
    assert [one.text for one in script_prompts(script)] == ["Well?", "Bye."]


def test_a_text_s_source_means_the_same_text():
    for source in ("{a}", "{a|b c}", "{a|}", "x {{1}} {z.0}", "}}{{"):
        assert parse_text(parse_text(source).source) == parse_text(source)


def test_examples_can_be_used_and_say_what_they_are_for():
    found = list_examples()
    names = ["appointment_reminder", "german_reminder", "model_reminder", "payment_plan"]
    names += ["realtime_reminder", "relay_reminder", "voiceflow_reminder", BLANK]
    assert [one.name for one in found] == names
    for one in found:
        assert one.source == load_example(one.name)
        agent = parse_agent(one.source)
        reads = [] if has_rules(agent.language) else ["the voice decides"]  # who reads numbers is told everywhere else
        assert [warning.reason.rpartition("here ")[2] for warning in agent.warnings] == reads
        assert one.title
        assert one.about.endswith(".")
