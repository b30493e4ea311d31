"""Values that a question of a type was answered with: gathered, read back, corrected."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outdial.agents.script.model import Answer, Ask
from outdial.agents.script.replies import Replies
from outdial.conversation.understanding.answer_type import Value, is_begun
from outdial.conversation.understanding.corrections import corrected
from outdial.conversation.understanding.meaning import Kind
from outdial.conversation.understanding.said_back import said_back
from outdial.conversation.verb_results import Heard

WORDS = "_words"  # behind a variable's name: what was said for its value
MORE_S = 3.0      # for the next digits of a number that isn't whole yet
MAX_PARTS = 6     # that a number is said in
MAX_READ_BACK = 3

Say = Callable[[str], Awaitable[object]]
Listen = Callable[[float, Ask | None], Awaitable[Heard]]  # for so many seconds, also to the keys that answer it


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedAnswers:
    replies: Replies
    say: Say
    listen: Listen

    async def whole(self, heard: Heard, ask: Ask | None) -> Heard:
        """With the digits that are still to come: people say a long number in parts."""
        if ask is None or ask.type is None:
            return heard
        language = self.replies.language
        for _ in range(MAX_PARTS):
            said, country = language.utterance(heard.text), self.replies.country
            if heard.digits or heard.silent or not is_begun(said, ask.type, country, language):
                break
            more = await self.listen(MORE_S, ask)
            if more.digits:
                return more
            if more.silent or not more.text.strip():
                break
            heard = Heard(text=f"{heard.text} {more.text}")
        return heard

    async def read_back(self, value: Value, ask: Ask) -> Value | None:
        """The value that the callee agreed to, with its corrections; None when it is to be asked for again. Who says
        nothing twice has heard it twice, and agrees."""
        assert ask.type is not None
        silent = 0
        for _ in range(MAX_READ_BACK):
            as_said = said_back(value, ask.type, self.replies.language)
            await self.say(self.replies.words("read_back").format(value=as_said))
            heard = await self.listen(ask.wait_s, ask)
            if heard.silent or not (heard.text.strip() or heard.digits):
                silent += 1
                if silent > 1:
                    return value
                continue
            agreed, value = self._after_reading(heard, value, ask)
            if agreed is not None:
                return value if agreed else None
        return None

    def _after_reading(self, heard: Heard, value: Value, ask: Ask) -> tuple[bool | None, Value]:
        """Whether the callee agrees, and to what; None: a correction, to be read back in turn."""
        reply = self.replies.agreement(heard, ask)
        if reply.kind is Kind.VALUE and reply.meaning.value is not None:
            return (True, value) if reply.meaning.value == value else (None, reply.meaning.value)
        if isinstance(value, str) and ask.type is not None and ask.type.is_of_digits and heard.text:
            language = self.replies.language
            if better := corrected(value, language.utterance(heard.text), language):
                return None, better
        if reply.kind in (Kind.YES, Kind.NO) and not reply.is_doubtful:
            return reply.kind is Kind.YES, value
        return None, value


def noted_value(answer: Answer | None, heard: Heard, value: Value | None) -> Value:
    """What `save_as` keeps of an answer: its name, else the value that was meant, else the words."""
    if answer is not None and answer.name:
        return answer.name
    return heard.text.strip() if value is None else value
