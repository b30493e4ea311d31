"""outdial erase: a call, or a number, from the command line."""


def test_a_number_is_counted_and_erased(outdial, outdial_json):
    outdial_json("workspaces", "create", "Clinic")
    found = outdial_json("erase", "number", "+1 202 555 0166", "--dry-run")
    assert found == {"calls": 0, "waiting": 0, "live": 0, "transfers": 0, "on_do_not_call_list": False}
    done = outdial_json("erase", "number", "+12025550166")
    assert (done["number"], done["calls"], done["by"]["kind"]) == ("+120…66", 0, "command_line")
    assert done["finished_at"] is not None


def test_what_is_no_number_and_no_call_is_told_so(outdial):
    outdial("workspaces", "create", "Clinic")
    assert "E.164" in str(outdial("erase", "number", "12").exception)
    assert "call_not_found" in str(outdial("erase", "call", "call_x").exception)
