"""How long a callee hears nothing on a call in memory."""

from outdial.conversation.transcript import Speaker


def longest_silence_ms(phone):
    """From the end of anybody's words to the agent's next ones."""
    longest = end = 0
    for turn in sorted(phone.turns.values(), key=lambda turn: turn.start_ms):
        if turn.speaker == Speaker.AGENT and end:
            longest = max(longest, turn.start_ms - end)
        end = max(end, turn.end_ms or turn.start_ms)
    return longest
