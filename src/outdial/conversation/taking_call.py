"""What is said to somebody who is asked to take a callee, and what counts as taking it."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from outdial.conversation.live_call import LiveCall
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.meaning import Option, Question
from outdial.conversation.understanding.understand import understand, understand_keys
from outdial.conversation.verb_results import Heard

MAX_WORDS = 8  # of an answer: a machine's greeting that has a "yes" in it is longer
ASKED_AGAIN = 2

TAKES, DECLINES = Option(words=["yes"], digits=["1"]), Option(words=["no"], digits=["2"])
QUESTION = Question(options=[TAKES, DECLINES])


class Accepts(StrEnum):
    """How somebody takes a call."""

    KEY = "key"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Whether it is taken, and how."""

    takes: bool
    by: Accepts


async def ask(call: LiveCall, brief: str, language: Language, *, wait_s: float) -> Reply | None:
    """Brief whoever picked up, and ask them; None when nothing came within `wait_s` that says so.

    They are heard once the question was said: words before it, a greeting's "yes?", answer nothing.
    """
    question = language.texts["take_call"]
    await call.greeting()
    await call.say(f"{brief.strip()} {question}", interruptible=False, asks=True)
    now = asyncio.get_running_loop().time
    answer_by = now() + wait_s
    ask_at = [now() + wait_s * (n + 1) / (ASKED_AGAIN + 1) for n in range(ASKED_AGAIN)]
    while (left_s := answer_by - now()) > 0:
        until_s = min([left_s, *(max(0.1, at - now()) for at in ask_at[:1])])
        reply = reply_of(await call.listen(no_reply_s=until_s, max_digits=1), language)
        if reply is not None:
            return reply
        if ask_at and now() >= ask_at[0]:
            ask_at.pop(0)
            said_from = now()
            await call.say(question, interruptible=True, asks=True)
            answer_by += min(now() - said_from, 10.0)
            ask_at = [at + now() - said_from for at in ask_at]
    return None


def reply_of(heard: Heard, language: Language) -> Reply | None:
    """What an answer says; None where that isn't sure."""
    if heard.digits:
        meaning, by = understand_keys(heard.digits, QUESTION), Accepts.KEY
    else:
        if heard.doubtful or len(heard.text.split()) > MAX_WORDS:
            return None
        meaning, by = understand(heard.text, QUESTION, language), Accepts.WORDS
    if meaning.option is None or (by is Accepts.WORDS and meaning.is_doubtful):
        return None
    return Reply(takes=meaning.option == 0, by=by)
