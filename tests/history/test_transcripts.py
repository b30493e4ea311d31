"""What was said on a call, as the API shows it."""

from talked_calls import make_agent, show, talk


async def test_turns_have_their_numbers_and_empty_ones_are_left_out(workspace):
    said = [("agent", "Hello?"), ("agent", ""), ("callee", "Yes.")]
    call = await show(workspace, await talk(workspace, await make_agent(workspace), said))
    assert [(turn["seq"], turn["speaker"], turn["text"]) for turn in call["transcript"]] == [
        (1, "agent", "Hello?"),
        (3, "callee", "Yes."),
    ]
