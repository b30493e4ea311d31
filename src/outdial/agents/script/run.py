"""Follows a script on a live call.

What a conversation needs and no script should have to spell out is here: a callee who barges in is listened to,
a "hello?" is no answer, whoever wants no more calls is asked nothing further, and every call comes to an end.
"""

import logging
import re
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, cast

from outdial.agents.script.matching import (
    Expected,
    asks_to_repeat,
    is_greeting,
    is_listening,
    match,
    wants_no_more_calls,
)
from outdial.agents.script.model import (
    Answer,
    Ask,
    Block,
    Goto,
    HangUp,
    If,
    Say,
    Script,
    SendDigits,
    SetVariables,
    Transfer,
)
from outdial.agents.script.template import Slot, Text, lookup, parse_text, render, spoken
from outdial.agents.script.unmeant import Meant, is_unmeant
from outdial.agents.script.wording import LIMIT_GOODBYE, NO_TRANSFER, SORRY
from outdial.conversation.live_call import Heard, LiveCall, TransferFailed
from outdial.speech.reading.marks import without_marks
from outdial.telephony.e164 import plain
from outdial.telephony.outcome import WISH

logger = logging.getLogger(__name__)

MAX_ACTIONS = 200   # of one call, each question asked again included
MAX_RESUMED = 2     # times a text is taken up again after the callee barged in; then it is said to its end
MAX_REPEATED = 2    # times a question is said again because the callee asked for it
BARGE_IN_WAIT_S = 2.0  # for the words of a callee who barged in
PARTING_WAIT_S = 2.0  # after our goodbye, for theirs

_NUMBER = re.compile(r"\+[1-9]\d{7,14}")


async def run_script(script: Script, call: LiveCall) -> None:
    """Hold the conversation; raises CallEnded once the call is over, by whichever side.

    What the script sets is written to `call.noted`; `do_not_call` becomes true when the callee wants no
    more calls. What to do with a machine (`script.machine`) is decided by whoever runs this, not here.
    """
    await _Conversation(script, call).hold()


def speakable(text: str, script: Script, call: LiveCall) -> str:
    """A text with {variables}, such as `script.machine.message`, as it is to be said on this call.

    Raises TemplateError, which can't happen for a script's own texts.
    """
    return render(parse_text(text), _known(call), script.variables, to_say=True)


class _Jump(Exception):
    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class _LimitReached(Exception):
    pass


class _Conversation:
    def __init__(self, script: Script, call: LiveCall) -> None:
        self._script = script
        self._call = call
        self._actions_left = MAX_ACTIONS
        self._said_goodbye = False

    async def hold(self) -> None:
        step: str | None = self._first_step()
        try:
            while step is not None:
                try:
                    await self._do(self._script.steps[step].block)
                    step = None
                except _Jump as jump:
                    step = jump.step
        except _LimitReached:
            logger.warning("Script stopped at its action limit", extra={"call_id": self._call.call_id})
            await self._call.say(LIMIT_GOODBYE)
            await self._call.hang_up()

    def _first_step(self) -> str:
        """The script's, or the one at which a call goes on that is back from a transfer."""
        failed = self._call.failed_transfer
        return failed.step if failed is not None and failed.step in self._script.steps else self._script.start

    async def _do(self, block: Block) -> None:
        answered = False
        for place, action in enumerate(block):
            self._count()
            match action:
                case Say():
                    following = block[place + 1] if place + 1 < len(block) else None
                    answered = await self._say(action.text, following if isinstance(following, Ask) else None)
                case Ask():
                    if not answered:
                        await self._ask(action)
                    answered = False
                case SetVariables():
                    for name, value in action.values:
                        self._call.noted[name] = self._value(value) if isinstance(value, Text) else value
                case If():
                    await self._do(action.then if self._holds(action) else action.otherwise)
                case SendDigits():
                    if digits := re.sub(r"[^0-9*#w]", "", self._raw(action.digits)):
                        await self._call.send_digits(digits)
                case Goto():
                    raise _Jump(action.step)
                case Transfer():
                    await self._transfer(action)
                case HangUp():
                    await self._hang_up(action)

    async def _say(self, text: Text, ask: Ask | None) -> bool:
        """Say a statement; true when the callee barged in with the answer to the `ask` that follows it."""
        left = self._to_say(text)
        for _ in range(MAX_RESUMED):
            if not left:
                return False
            said = await self._call.say(left)
            if not said.interrupted:
                return False
            max_digits = ask.max_digits if ask else self._max_digits()
            heard = await self._listen(wait_s=BARGE_IN_WAIT_S, max_digits=max_digits)
            # "Okay" over a statement means "go on", and so does what wasn't understood.
            if heard.digits or not (is_greeting(heard.text) or is_listening(heard.text)):
                answer = self._answer(heard, ask.answers if ask else ())
                if ask and answer and answer in ask.answers:
                    await self._follow(answer, heard, ask)
                    return True
                if answer:
                    await self._do(answer.then)
            left = unheard(left, said.text)
        if left:
            await self._call.say(left, interruptible=False)
        return False

    async def _ask(self, ask: Ask) -> None:
        question = prompt = self._to_say(ask.question)
        misses = {"no_reply": 0, "no_match": 0}
        noises = greetings = repeated = 0
        while True:
            self._count()
            said = await self._call.say(prompt) if prompt else None
            heard = await self._listen(wait_s=ask.wait_s, max_digits=ask.max_digits)
            prompt = question
            if _silent(heard):
                if said and said.interrupted and not noises:
                    noises += 1
                    continue
                missed, retry = "no_reply", ask.no_reply
            elif not heard.digits and not greetings and is_greeting(heard.text):
                greetings += 1
                continue
            elif answer := self._answer(heard, ask.answers):
                if answer in ask.answers:
                    await self._follow(answer, heard, ask)
                    return
                await self._do(answer.then)
                continue
            elif repeated < MAX_REPEATED and asks_to_repeat(heard.text):
                repeated += 1
                continue
            else:
                missed, retry = "no_match", ask.no_match
                prompt = f"{SORRY} {question}"
            misses[missed] += 1
            if misses[missed] > retry.retries:
                await self._do(retry.then)
                return
            if retry.reprompt is not None:
                prompt = self._to_say(retry.reprompt)

    async def _listen(self, *, wait_s: float, max_digits: int) -> Heard:
        heard = await self._call.listen(no_reply_s=wait_s, max_digits=max_digits)
        stop = self._script.do_not_call
        if not heard.digits and wants_no_more_calls(heard.text, [self._text(text) for text in stop.words]):
            self._call.noted[WISH] = True
            await self._call.say(self._to_say(stop.say), interruptible=False)
            await self._call.hang_up()
        return heard

    async def _transfer(self, action: Transfer) -> None:
        """Where it can't even be tried, the call goes on as if nobody had come, or ends after a sentence."""
        number = re.sub(r"[\s().-]", "", plain(self._raw(action.to)))
        if _NUMBER.fullmatch(number):
            with suppress(TransferFailed):  # the call's record says why
                await self._call.transfer(number, failed=action.failed)
                return
        else:
            logger.warning("Transfer has no number to go to", extra={"call_id": self._call.call_id})
        if action.failed is not None:
            raise _Jump(action.failed)
        await self._call.say(NO_TRANSFER)
        await self._call.hang_up()

    async def _hang_up(self, action: HangUp) -> None:
        goodbye = self._to_say(action.goodbye) if action.goodbye else ""
        if goodbye:
            await self._call.say(goodbye)
            if not self._said_goodbye:
                # Nobody likes to be cut off in their own goodbye, and some remember something just then.
                self._said_goodbye = True
                heard = await self._listen(wait_s=PARTING_WAIT_S, max_digits=self._max_digits())
                if answer := self._answer(heard, ()):
                    await self._do(answer.then)
        await self._call.hang_up()

    def _answer(self, heard: Heard, own: tuple[Answer, ...]) -> Answer | None:
        answers = (*own, *self._script.anywhere)
        found = match(heard, [self._expected(answer) for answer in answers])
        return None if found is None else answers[found]

    def _expected(self, answer: Answer) -> Expected:
        return Expected(
            words=[phrase for text in answer.words if (phrase := self._phrase(text))],
            digits=answer.digits,
            any_words=answer.any_words,
            any_digits=answer.any_digits,
        )

    async def _follow(self, answer: Answer, heard: Heard, ask: Ask) -> None:
        """Do what an answer to `ask` leads to."""
        if ask.save_as:
            self._call.noted[ask.save_as] = answer.name or heard.digits.rstrip("#") or heard.text.strip()
        await self._do(answer.then)

    def _count(self) -> None:
        self._actions_left -= 1
        if self._actions_left < 0:
            raise _LimitReached

    def _max_digits(self) -> int:
        return max((len(digits) for answer in self._script.anywhere for digits in answer.digits), default=0)

    def _text(self, text: Text) -> str:
        return render(text, _known(self._call), self._script.variables)

    def _to_say(self, text: Text) -> str:
        return render(text, _known(self._call), self._script.variables, to_say=True)

    def _phrase(self, text: Text) -> str:
        """An expected phrase; "" when a variable in it has no value: half a phrase would match too much."""
        if any(not self._text(Text((slot,))) for slot in text.slots):
            return ""
        return self._text(text)

    def _raw(self, text: Text) -> str:
        """A text for machines: values as they were sent, not as they are spoken."""
        return "".join(part if isinstance(part, str) else str(self._slot(part) or "") for part in text.parts)

    def _value(self, text: Text) -> Any:
        """What `set` stores: a lone {variable} is copied as it is."""
        match text.parts:
            case (Slot() as slot,):
                return self._slot(slot)
        return self._text(text)

    def _slot(self, slot: Slot) -> Any:
        value = lookup(slot.path, _known(self._call))
        if _exists(value):
            return value
        return lookup(slot.path, self._script.variables) if slot.fallback is None else slot.fallback

    def _holds(self, test: If) -> bool:
        value = self._slot(Slot(test.variable))
        if test.exists is not None:
            return _exists(value) == test.exists
        found = [value]
        sent = lookup(test.variable, ChainMap(dict(self._call.noted), dict(self._call.variables)))
        if isinstance(sent, str) and is_unmeant(sent):
            found.append(sent)  # an author who asks for "None" by name means it, whatever the sender did
        return any(_equal(each, expected) for expected in test.values for each in found)


def unheard(text: str, played: str) -> str:
    """What is left of `text` once `played` was heard, from the start of the sentence that was cut off. `played` is as
    it was written down, without marks."""
    words, heard = text.split(), played.split()
    if len(heard) >= len(words):
        return ""
    begun = [without_marks(word) for word in words[: len(heard)]]
    if [word.strip(".,;:!?") for word in heard] != [word.strip(".,;:!?") for word in begun]:
        return text
    sentences = (place for place in range(1, len(heard) + 1) if words[place - 1][-1] in ".!?")
    return " ".join(words[max(sentences, default=0) :])


def _known(call: LiveCall) -> Mapping[str, Any]:
    """What a text may name: what every call has (actions.BUILT_IN), what was noted, what was sent; the first of these
    that has the name."""
    launch = call.last_event.get("payload", {})
    built_in = {
        "user_number": call.user_id,
        "agent_number": launch.get("agentNumber"),
        "answered_by": call.answered_by and str(call.answered_by),
    }
    return ChainMap(built_in, call.noted, cast(MutableMapping[str, Any], Meant(call.variables)))  # which is only read


def _silent(heard: Heard) -> bool:
    return heard.silent or not (heard.digits or heard.text.strip())


def _exists(value: Any) -> bool:
    return bool(value) if isinstance(value, dict) else spoken(value) != ""


def _equal(value: Any, expected: Any) -> bool:
    """As an author means it: "Premium" is premium, 3 is "3", true is "true"."""
    return _plain(value) == _plain(expected)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return " ".join(value.split()).casefold()
    return spoken(value)
