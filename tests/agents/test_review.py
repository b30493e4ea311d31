"""What is told of a script while it is written."""

from outdial.agents.review import review_agent

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
