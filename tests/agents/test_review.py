"""What is told of a script while it is written."""

import pytest

from outdial.agents.review import KnownKeys, review_agent

SOURCE = "steps: {a: {ask: Well?, answers: [{words: [yes], goto: b}]}, b: {hang_up: Goodbye.}}"


def test_a_sound_script_has_its_outline_and_no_errors():
    review = review_agent(SOURCE)
    assert review["errors"] == []
    assert review["outline"] == {
        "start": "a",
        "anywhere": [],
        "steps": [
            {
                "name": "a",
                "line": 1,
                "reached": True,
                "ways": [{"on": ["yes"], "does": "goto", "step": "b", "line": 1}],
            },
            {
                "name": "b",
                "line": 1,
                "reached": True,
                "ways": [{"on": [], "does": "hang_up", "step": None, "line": 1}],
            },
        ],
    }


def test_the_outline_of_a_script_with_a_fault_shows_what_is_wrong_with_it():
    review = review_agent(SOURCE.replace("goto: b", "goto: c"))
    assert [error["message"] for error in review["errors"]] == ["there is no step 'c'"]
    assert review["outline"] is not None
    assert [(step["name"], step["reached"]) for step in review["outline"]["steps"]] == [("a", True), ("b", False)]
    assert review["outline"]["steps"][0]["ways"][0]["step"] == "c"


def test_what_is_no_yaml_has_no_outline():
    review = review_agent("steps: {a: [")
    assert review["errors"]
    assert review["outline"] is None


ASKS_FIRST = """
steps:
  a:
    transfer: {to: "+12025550177", failed: b, warm: {brief: Jane.HOW}}
  b: {hang_up: Goodbye.}
"""


def test_a_warm_transfer_is_a_warning_where_a_carrier_makes_none():
    stays, cold = ASKS_FIRST.replace("HOW", ""), ASKS_FIRST.replace("HOW", ", if_not_possible: cold")
    assert review_agent(stays)["warnings"] == []
    [remark] = review_agent(stays, cold=["Toy"])["warnings"]
    assert remark == {
        "line": 4, "message": "Toy can't have somebody asked before a transfer; it fails there"
    }
    [remark] = review_agent(cold, cold=["Toy"])["warnings"]
    assert remark["message"].endswith("; the callee is transferred without")


def test_what_is_said_to_who_is_asked_can_be_listened_to_before():
    prompts = review_agent(ASKS_FIRST.replace("HOW", ", hold: One moment."))["prompts"]
    assert [(one["verb"], one["text"]) for one in prompts] == [
        ("say", "One moment."), ("brief", "Jane."), ("hang_up", "Goodbye.")
    ]


DISCLOSES = """machine: {action: leave_message, message: "This call is recorded."}
steps: {a: {say: "Hello {name|there}, this call is RECORDED; who are you?", hang_up: Goodbye.}}
"""
GREETS = "model: m\ninstructions: Talk.\ngreeting: Hello.\n"


@pytest.mark.parametrize(
    ("source", "disclosure", "warns"),
    [
        (DISCLOSES, "This call is recorded.", False),
        (DISCLOSES.replace("RECORDED", "kept"), "This call is recorded.", True),  # a machine alone is told
        (DISCLOSES, "This call is recorded by us.", True),
        (DISCLOSES, None, False),
        (DISCLOSES, "...", False),
        (GREETS.replace("Hello.", "Hello. This call is recorded."), "This call is recorded.", False),
        (GREETS, "This call is recorded.", True),
    ],
)
def test_a_disclosure_that_nothing_says_is_a_warning(source, disclosure, warns):
    review = review_agent(source, disclosure=disclosure)
    assert review["errors"] == []
    warned = [one for one in review["warnings"] if "disclose" in one["message"]]
    assert [(one["line"], disclosure in one["message"]) for one in warned] == ([(None, True)] if warns else [])


def test_a_review_warns_of_a_vendor_of_speech_whose_key_nobody_has():
    source = "agent: {recognition: deepgram/nova-3}\nsteps: {a: {hang_up: Bye.}}\n"
    [remark] = review_agent(source, keys=KnownKeys(secrets={"other"}))["warnings"]
    assert remark["line"] == 1
    assert remark["message"].startswith("needs secret deepgram_api_key, ")
    assert review_agent(source, keys=KnownKeys(secrets={"deepgram_api_key"}))["warnings"] == []
    assert review_agent(source, keys=KnownKeys(secrets=(), speech_vendors={"deepgram"}))["warnings"] == []
