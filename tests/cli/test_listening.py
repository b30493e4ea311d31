"""outdial listening: shown and changed from the command line."""


def test_it_is_shown_and_changed_with_its_words(outdial, outdial_json):
    outdial_json("workspaces", "create", "Clinic")
    assert outdial_json("listening") == {"announce": "on_join", "text": None}
    changed = {"announce": "at_start", "text": "We listen."}
    assert outdial_json("listening", "--announce", "at_start", "--text", "We listen.") == changed
    assert outdial_json("listening") == changed
    assert outdial_json("listening", "--announce", "never") == {"announce": "never", "text": None}


def test_words_that_can_not_be_said_are_refused(outdial, outdial_json):
    outdial_json("workspaces", "create", "Clinic")
    assert "--announce" in str(outdial("listening", "--text", "We listen.").exception)
    for text in ("", "x" * 301):
        assert "can't be said" in str(outdial("listening", "--announce", "on_join", "--text", text).exception)
    assert outdial_json("listening") == {"announce": "on_join", "text": None}
