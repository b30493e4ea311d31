"""Follows a script on a live call.

What a conversation needs and no script should have to spell out is here: a callee who barges in is listened to,
a "hello?" is no answer, whoever wants no more calls is asked nothing further, and every call comes to an end.
"""

import logging
import re
from contextlib import suppress
from typing import Any

from outdial.agents.script.asking import PATIENCE, WayBack, asked
from outdial.agents.script.attempts import MAX_HELD, Accept, AskAgain, Attempts, GiveUp, Next
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
from outdial.agents.script.path import Path
from outdial.agents.script.replies import Replies, Reply, is_silent
from outdial.agents.script.template import Slot, Text, lookup, parse_text, render
from outdial.agents.script.typed import WORDS, TypedAnswers, noted_value
from outdial.agents.script.unheard import unheard
from outdial.agents.script.values import exists, is_one_of, known
from outdial.conversation.live_call import Heard, LiveCall, Said, TransferFailed
from outdial.conversation.understanding.meaning import SOMEBODY_ELSE, Kind
from outdial.telephony.e164 import plain
from outdial.telephony.outcome import NAMED, WISH

logger = logging.getLogger(__name__)

MAX_ACTIONS = 200   # of one call, each question asked again included
MAX_RESUMED = 2     # times a text is taken up again after the callee barged in; then it is said to its end
BARGE_IN_WAIT_S = 2.0  # for the words of a callee who barged in
PARTING_WAIT_S = 2.0  # after our goodbye, for theirs

_NUMBER = re.compile(r"\+[1-9]\d{7,14}")


async def run_script(script: Script, call: LiveCall, path: Path | None = None) -> None:
    """Hold the conversation; raises CallEnded once the call is over, by whichever side.

    What the script sets is written to `call.noted`; `do_not_call` becomes true when the callee wants no
    more calls. What to do with a machine (`script.machine`) is decided by whoever runs this, not here.
    `path` is told which way it takes.
    """
    await _Conversation(script, call, path or Path()).hold()


def speakable(text: str, script: Script, call: LiveCall) -> str:
    """A text with {variables}, such as `script.machine.message`, as it is to be said on this call.

    Raises TemplateError, which can't happen for a script's own texts.
    """
    return render(parse_text(text), known(call), script.variables, to_say=True)


class _Jump(Exception):
    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class _LimitReached(Exception):
    pass


class _TakenBack(Exception):
    """The callee goes on with its last answer."""


class _Conversation:
    def __init__(self, script: Script, call: LiveCall, path: Path) -> None:
        self._script = script
        self._call = call
        self._path = path
        self._actions_left = MAX_ACTIONS
        self._said_goodbye = False
        self._replies = Replies(script, call, self._text)
        self._typed = TypedAnswers(replies=self._replies, say=call.say, listen=self._hear)
        self._way_back = WayBack(call.noted)
        self._step = self._first_step()
        self._goes_on = False  # the callee, with its answer to the question that is next

    async def hold(self) -> None:
        place: int | None = 0
        self._path.enter(self._script.steps[self._step])
        await self._heed_wish(await self._call.greeting())
        try:
            while place is not None:
                try:
                    await self._do(self._script.steps[self._step].block[place:])
                    place = None
                except _Jump as jump:
                    self._step, place = jump.step, 0
                    self._path.enter(self._script.steps[self._step])
                except _TakenBack:
                    self._step, place = self._way_back.go() or (self._step, 0)
                    self._goes_on = True
        except _LimitReached:
            self._path.circled = True
            logger.warning("Script stopped at its action limit", extra={"call_id": self._call.call_id})
            await self._call.say(self._replies.words("limit_goodbye"))
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
                        self._note(name, self._value(value) if isinstance(value, Text) else value)
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
            said = await self._speak(left)
            if not said.interrupted:
                return False
            max_digits = self._replies.max_digits(ask) if ask else self._max_digits()
            heard = await self._listen(wait_s=BARGE_IN_WAIT_S, max_digits=max_digits)
            if heard.back:
                left = unheard(left, said.text)
                continue
            # What only listens means "go on", and so does what wasn't understood.
            if not is_silent(heard) and not self._replies.only_listens(heard):
                reply = await self._understood(heard, ask)
                if reply.answer and not reply.is_doubtful and reply.kind is not Kind.GREETING:
                    if ask is None or reply.answer not in ask.answers:
                        await self._take(reply.answer)
                    elif await self._follow(reply, ask):
                        return True
                elif ask and reply.kind is Kind.VALUE and not reply.is_doubtful and await self._follow(reply, ask):
                    return True
            left = unheard(left, said.text)
        if left:
            await self._call.say(left, interruptible=False, asks=False)
        return False

    async def _ask(self, ask: Ask) -> None:
        question = prompt = self._to_say(ask.question)
        attempts = Attempts(ask, question, self._replies.words, self._to_say)
        step: Next
        asking = self._goes_on
        if self._goes_on:
            self._goes_on, prompt = False, ""
        while True:
            self._count()
            said = await self._speak(prompt, asks=True, asking=asking) if prompt else None
            if said and said.taken_back:
                attempts.taken_back()
            heard = await self._listen(wait_s=ask.wait_s, max_digits=self._replies.max_digits(ask), ask=ask)
            asking = True
            if heard.back:
                step = AskAgain(question)
            elif is_silent(heard):
                step = attempts.silent(interrupted=said is not None and said.interrupted)
            else:
                reply = await self._understood(heard, ask)
                step = attempts.after(reply)
                if isinstance(step, Accept):
                    if reply.answer is not None and reply.answer not in ask.answers:
                        await self._take(reply.answer)
                        step = AskAgain(question)
                    elif await self._follow(reply, ask):
                        return
                    else:
                        step = attempts.wrong_value()
            match step:
                case GiveUp(then=then, missed=missed):
                    self._path.led_by = missed
                    await self._do(then)
                    return
                case AskAgain(prompt=prompt):
                    pass

    async def _understood(self, heard: Heard, ask: Ask | None) -> Reply:
        """What the callee means, who has been waited for where that was asked for. Ends the call where there is nobody
        to talk to."""
        reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        for _ in range(MAX_HELD):
            if reply.kind is not Kind.WAIT:
                break
            await self._call.say(self._replies.words("of_course"))
            max_digits = self._replies.max_digits(ask) if ask else self._max_digits()
            heard = await self._listen(wait_s=self._script.hold_s, max_digits=max_digits)
            if is_silent(heard):
                return self._replies.away()
            if self._replies.is_back(heard):
                return self._replies.back()
            reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        if reply.kind in SOMEBODY_ELSE and reply.answer is None:
            self._call.noted[NAMED] = reply.kind.value
            await self._call.say(self._replies.words(reply.kind.value), interruptible=False)
            await self._call.hang_up()
        return reply

    async def _hear(self, wait_s: float, ask: Ask) -> Heard:
        return await self._listen(wait_s=wait_s, max_digits=self._replies.max_digits(ask))

    async def _speak(self, text: str, *, asks: bool = False, asking: bool = False) -> Said:
        """`asking`: it follows an answer to the question that is being asked, which the callee may go on with."""
        said = await self._call.say(text, asks=asks)
        if said.taken_back and not asking:
            raise _TakenBack
        return said

    async def _listen(self, *, wait_s: float, max_digits: int, ask: Ask | None = None) -> Heard:
        if ask is None:
            heard = await self._call.listen(no_reply_s=wait_s, max_digits=max_digits)
        else:
            place = self._step, self._script.steps[self._step].block.index(ask)
            takes_back = self._way_back.may_return(*place)
            heard = await self._call.listen(
                until_silence_s=ask.pause_s,
                no_reply_s=wait_s,
                max_digits=max_digits,
                asked=asked(ask, self._text(ask.question), self._replies, takes_back=takes_back),
                patience=PATIENCE[ask.patience],
            )
            self._way_back.answered(*place)
        await self._heed_wish(heard)
        return heard

    async def _heed_wish(self, heard: Heard) -> None:
        """Whoever wants no more calls is asked nothing further."""
        if self._replies.wants_no_more_calls(heard):
            self._call.noted[WISH] = True
            await self._call.say(self._to_say(self._script.do_not_call.say), interruptible=False)
            await self._call.hang_up()

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
        await self._speak(self._replies.words("no_transfer"))
        await self._call.hang_up()

    async def _hang_up(self, action: HangUp) -> None:
        goodbye = self._to_say(action.goodbye) if action.goodbye else ""
        if goodbye:
            await self._speak(goodbye)
            if not self._said_goodbye:
                # Nobody likes to be cut off in their own goodbye, and some remember something just then.
                self._said_goodbye = True
                heard = await self._listen(wait_s=PARTING_WAIT_S, max_digits=self._max_digits())
                if not is_silent(heard) and (answer := self._replies.reply(heard, None).answer):
                    await self._take(answer)
        await self._call.hang_up()

    async def _follow(self, reply: Reply, ask: Ask) -> bool:
        """Do what an answer to `ask` leads to; false when its value was read back, and wasn't the right one."""
        heard, answer, value = reply.heard, reply.answer, reply.meaning.value
        if reply.kind is Kind.VALUE and value is not None and ask.read_back and not heard.digits:
            value = await self._typed.read_back(value, ask)
            if value is None:
                return False
        if ask.save_as:
            self._note(ask.save_as, noted_value(answer, heard, value))
            if value is not None and heard.text and not (answer and answer.name):
                self._note(f"{ask.save_as}{WORDS}", heard.text.strip())
        await self._take(answer)
        return True

    async def _take(self, answer: Answer | None) -> None:
        self._path.answered(answer)
        await self._do(answer.then if answer else ())

    def _note(self, name: str, value: Any) -> None:
        self._way_back.sets(name)
        self._call.noted[name] = value

    def _count(self) -> None:
        self._actions_left -= 1
        if self._actions_left < 0:
            raise _LimitReached

    def _max_digits(self) -> int:
        return max((len(digits) for answer in self._script.anywhere for digits in answer.digits), default=0)

    def _text(self, text: Text) -> str:
        return render(text, known(self._call), self._script.variables)

    def _to_say(self, text: Text) -> str:
        return render(text, known(self._call), self._script.variables, to_say=True)

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
        value = lookup(slot.path, known(self._call))
        if exists(value):
            return value
        return lookup(slot.path, self._script.variables) if slot.fallback is None else slot.fallback

    def _holds(self, test: If) -> bool:
        value = self._slot(Slot(test.variable))
        return is_one_of(value, test, self._call) if test.exists is None else exists(value) == test.exists
