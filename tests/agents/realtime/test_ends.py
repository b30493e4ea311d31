"""What a realtime model wanted just when something ended: the call, a limit, its own answer."""

from outdial.simulator.realtime.answers import Answer
from tests.agents.realtime.server_in_memory import Server
from tests.agents.realtime.test_run import TOOL, YAML, brain, talked

LAST = "Thank you, I have written that down. We won't call you again. Goodbye, and have a nice day!"


def test_what_a_model_noted_counts_though_the_callee_hangs_up_during_its_last_words():
    noted = (("note", {"day": "Friday"}), ("do_not_call", {}), ("hang_up", {"outcome": "declined"}), ("free_slots", {}))
    server = Server("On Friday.", brain=brain(Answer(says="Hello, about Tuesday."), Answer(says=LAST, calls=noted)))

    def act(phone):
        phone.says("On Friday.", after="Tuesday")
        phone.hangs_up(after="Thank you", over=True, pause_s=1)

    phone, _ = talked(server, act, yaml=YAML + TOOL)
    assert phone.lines[-1] != f"agent: {LAST}"
    assert (phone.noted["day"], phone.noted["do_not_call"], phone.noted["outcome"]) == ("Friday", True, "declined")
    assert server.written.asked == []
