"""A conversation as the model is to know it: what the callee said, and of the agent's words what was heard. Pure."""

from collections.abc import Sequence

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Message, Remark, ToolAnswer, ToolCall
from outdial.conversation.verb_results import Said

MAX_MESSAGES = 400  # of a call; then the oldest are forgotten

DONE = "Done."
LATER = "It will be done when you have finished speaking."
INTERRUPTED = "Not done: the callee began to speak."
ASKED = "The answer comes when you have finished speaking."
WHISPERED = (
    "A person of your side who listens to the call tells you, and the callee doesn't hear it: {!r} Act on it from your "
    "next words on, as far as it fits your instructions, and don't mention that you were told."
)
POSTPONED = "Not done: read what your other tools have answered, and call it again if it is still right."


def heard_of(answer: Sequence[Message], heard: str) -> tuple[Message, ...]:
    """An answer of the agent's, of which only `heard` was: as many words of it, in their order. Tools that were called
    stay, because they were."""
    left = len(heard.split())
    kept: list[Message] = []
    for message in answer:
        if not isinstance(message, AgentSaid):
            kept.append(message)
            continue
        words = message.text.split()
        text = message.text if len(words) <= left else " ".join(words[:left])
        left = max(0, left - len(words))
        if text or message.calls:
            kept.append(AgentSaid(text, message.calls))
    return tuple(kept)


def shortened(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The newest, from something the callee said on: an answer without its question would puzzle the model."""
    newest = list(messages[-MAX_MESSAGES:])
    if len(newest) < len(messages):
        while newest and not isinstance(newest[0], CalleeSaid | Remark):
            newest.pop(0)
    return tuple(newest)


def settled(answer: Sequence[Message], *, interrupted: bool) -> tuple[Message, ...]:
    """With what became of each tool that was called: what was to be done after the words is not, where the callee began
    to speak."""
    have = {message.call.id for message in answer if isinstance(message, ToolAnswer)}
    became = INTERRUPTED if interrupted else DONE
    whole: list[Message] = []
    for message in answer:
        if isinstance(message, ToolAnswer) and message.text == LATER:
            message = ToolAnswer(message.call, became)
        if isinstance(message, ToolAnswer) and message.text == ASKED and interrupted:
            message = ToolAnswer(message.call, INTERRUPTED)
        whole.append(message)
        if isinstance(message, AgentSaid):
            whole += [ToolAnswer(call, INTERRUPTED) for call in message.calls if call.id not in have]
    return tuple(whole)


def answer_with(history: list[Message], call: ToolCall, text: str) -> None:
    """A tool's answer, in the place that was kept for it."""
    for place in range(len(history) - 1, -1, -1):
        message = history[place]
        if isinstance(message, ToolAnswer) and message.call.id == call.id:
            history[place] = ToolAnswer(message.call, text)
            return


def say_along(history: list[Message], call: ToolCall, text: str) -> None:
    """What was said word for word beside a tool that the agent called: a tool's answer comes right after its call."""
    for place in range(len(history) - 1, -1, -1):
        message = history[place]
        if isinstance(message, AgentSaid) and any(one.id == call.id for one in message.calls):
            history[place] = AgentSaid(f"{message.text} {text}".strip(), message.calls)
            return


def forget_answered(history: list[Message]) -> None:
    """The callee goes on with what it said last: it will come again, with all of it."""
    while history and isinstance(history[-1], CalleeSaid):
        history.pop()


def tell(history: list[Message], whispers: Sequence[str]) -> None:
    """Whispers, for the next answer: before what the callee said last, which comes again whole if it goes on."""
    place = len(history)
    while place and isinstance(history[place - 1], CalleeSaid):
        place -= 1
    history[place:place] = [Remark(WHISPERED.format(text)) for text in whispers]


def is_cut_short(said: Said) -> bool:
    """Whether words are missing that the model had to say: what was to be done after them is not done."""
    return said.interrupted or said.cut_off
