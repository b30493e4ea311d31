from outdial.agents.gates import gates_of
from outdial.agents.script.model import AtScreening, Machine
from outdial.conversation.gates import NO_GATES


def test_an_agent_that_says_nothing_of_services_wants_nothing_done_at_them():
    assert gates_of(Machine(), lambda text, call: text) == NO_GATES


def test_the_reason_is_worded_for_the_call():
    gates = gates_of(Machine(reason="It's {shop}.", press=(("desk", "0"),)), lambda text, call: f"{text} {call}")
    assert gates.reason is not None
    assert (gates.reason("call"), gates.keys, gates.hangs_up) == ("It's {shop}. call", (("desk", "0"),), False)  # type: ignore[arg-type]


def test_who_hangs_up_says_nothing():
    assert gates_of(Machine(screening=AtScreening.HANG_UP), lambda text, call: text).hangs_up
