"""Follows a script on a live call.

What a conversation needs and no script should have to spell out is here: a callee who barges in is listened to,
a "hello?" is no answer, whoever wants no more calls is asked nothing further, and every call comes to an end.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from outdial.agents.llm.chat import Model
from outdial.agents.llm.talking import TakenBack
from outdial.agents.script.asking import PATIENCE, WayBack, asked
from outdial.agents.script.attempts import Accept, AskAgain, Attempts, GiveUp, Next
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
    Talk,
    Transfer,
)
from outdial.agents.script.models import ScriptModels
from outdial.agents.script.path import Path
from outdial.agents.script.replies import Replies, Reply, is_silent
from outdial.agents.script.talk_step import PLACE
from outdial.agents.script.talks import Talks
from outdial.agents.script.template import Text, parse_text, render
from outdial.agents.script.texts import ScriptTexts
from outdial.agents.script.typed import WORDS, TypedAnswers, noted_value
from outdial.agents.script.understood import Understanding
from outdial.agents.script.unheard import unheard
from outdial.agents.script.values import known
from outdial.agents.tools.access import NoTools, Tools
from outdial.conversation.live_call import LiveCall
from outdial.conversation.understanding.meaning import Kind
from outdial.conversation.verb_results import Heard, Said, TransferFailed
from outdial.telephony.outcome import WISH

logger = logging.getLogger(__name__)

MAX_ACTIONS = 200   # of one call, each question asked again included
MAX_RESUMED = 2     # times a text is taken up again after the callee barged in; then it is said to its end
BARGE_IN_WAIT_S = 2.0  # for the words of a callee who barged in
PARTING_WAIT_S = 2.0  # after our goodbye, for theirs


async def run_script(
    script: Script,
    call: LiveCall,
    path: Path | None = None,
    models: Sequence[Model] = (),
    tools: Tools | None = None,
) -> None:
    """Hold the conversation; raises CallEnded once the call is over, by whichever side, and AgentFailed when a model
    that is to talk doesn't.

    What the script sets is written to `call.noted`; `do_not_call` becomes true when the callee wants no
    more calls. What to do with a machine (`script.machine`) is decided by whoever runs this, not here.
    `path` is told which way it takes. `models`: those of the script, in their order; `tools` reaches its tools.
    """
    ready = ScriptModels(script, models)
    try:
        await _Conversation(script, call, path or Path(), ready, tools or NoTools()).hold()
    finally:
        ready.close()


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
    def __init__(self, script: Script, call: LiveCall, path: Path, models: ScriptModels, tools: Tools) -> None:
        self._script = script
        self._talks = Talks(script, call, models, tools, self._take_anywhere)
        self._call = call = self._talks.call if models.are_asked else call
        self._path = path
        self._models = models
        self._texts = ScriptTexts(script, call)
        self._actions_left = MAX_ACTIONS
        self._said_goodbye = False
        self._replies = Replies(script, call, self._texts.shown)
        self._typed = TypedAnswers(replies=self._replies, say=call.say, listen=self._hear)
        self._understanding = Understanding(
            script, call, self._replies, self._typed, self._hear, self._heed_wish, models
        )
        self._way_back = WayBack(call.noted)
        self._step, self._place = self._first_place()
        self._goes_on = False  # the callee, with its answer to the question that is next

    async def hold(self) -> None:
        place: int | None = self._place
        self._enter()
        first = self._texts.first_words(self._script.steps[self._step].block[self._place :])
        await self._heed_wish(await self._call.greeting(first))
        try:
            while place is not None:
                try:
                    await self._do(self._script.steps[self._step].block[place:])
                    place = None
                except _Jump as jump:
                    self._step, place = jump.step, 0
                    self._enter()
                except _TakenBack:
                    self._step, place = self._way_back.go() or (self._step, 0)
                    self._goes_on = True
        except _LimitReached:
            self._path.circled = True
            logger.warning("Script stopped at its action limit", extra={"call_id": self._call.call_id})
            await self._call.say(self._replies.words("limit_goodbye"))
            await self._call.hang_up()

    def _first_place(self) -> tuple[str, int]:
        """The script's first step, or where a call goes on that is back from a transfer, and where in it."""
        failed = self._call.failed_transfer
        name, is_talk, _ = ("" if failed is None else failed.step).partition(PLACE)
        if name not in self._script.steps:
            return self._script.start, 0
        block = self._script.steps[name].block
        return name, next((place for place, one in enumerate(block) if is_talk and isinstance(one, Talk)), 0)

    def _enter(self) -> None:
        step = self._script.steps[self._step]
        self._path.enter(step)
        self._models.entering(step)

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
                case Talk():
                    await self._talk(action)
                case SetVariables():
                    for name, value in action.values:
                        self._note(name, self._texts.value(value) if isinstance(value, Text) else value)
                case If():
                    await self._do(action.then if self._texts.holds(action) else action.otherwise)
                case SendDigits():
                    if digits := re.sub(r"[^0-9*#w]", "", self._texts.raw(action.digits)):
                        await self._call.send_digits(digits)
                case Goto():
                    raise _Jump(action.step)
                case Transfer():
                    await self._transfer(action)
                case HangUp():
                    await self._hang_up(action)

    async def _say(self, text: Text, ask: Ask | None) -> bool:
        """Say a statement; true when the callee barged in with the answer to the `ask` that follows it."""
        left = self._texts.to_say(text)
        for _ in range(MAX_RESUMED):
            if not left:
                return False
            said = await self._speak(left)
            if not said.interrupted:
                return False
            heard = await self._listen(wait_s=BARGE_IN_WAIT_S, max_digits=self._replies.max_digits(ask))
            if heard.back:
                left = unheard(left, said.text)
                continue
            # What only listens means "go on", and so does what wasn't understood.
            if not is_silent(heard) and not self._replies.only_listens(heard):
                reply = await self._understanding.of(heard, ask)
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
        question = prompt = self._texts.to_say(ask.question)
        attempts = Attempts(ask, question, self._replies.words, self._texts.to_say)
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
                reply = await self._understanding.of_answer(heard, ask)
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

    async def _talk(self, action: Talk) -> None:
        goes_on, self._goes_on = self._goes_on, False
        over = await self._talks.hold(action, goes_on=goes_on)
        if isinstance(over, TakenBack):
            raise _TakenBack
        if over.heard:
            self._way_back.answered(self._step, self._script.steps[self._step].block.index(action))
        self._path.led_by = over.led_by
        await self._do(over.then)

    async def _take_anywhere(self, heard: Heard) -> None:
        """What is understood whatever the question is, is so in a free talk, too."""
        reply = self._replies.reply(heard, None)
        if reply.answer is not None and not reply.is_doubtful:
            await self._take(reply.answer)

    async def _hear(self, wait_s: float, ask: Ask | None) -> Heard:
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
                asked=asked(ask, self._texts.shown(ask.question), self._replies, takes_back=takes_back),
                patience=PATIENCE[ask.patience],
            )
            self._way_back.answered(*place)
        await self._heed_wish(heard)
        return heard

    async def _heed_wish(self, heard: Heard) -> None:
        """Whoever wants no more calls is asked nothing further."""
        if self._replies.wants_no_more_calls(heard):
            self._call.noted[WISH] = True
            await self._call.say(self._texts.to_say(self._script.do_not_call.say), interruptible=False)
            await self._call.hang_up()

    async def _transfer(self, action: Transfer) -> None:
        """Where it can't even be tried, it is as if nobody had come, or ends after a sentence."""
        number = self._texts.number(action.to)
        if number is not None:
            with suppress(TransferFailed):  # the call's record says why
                first = None if action.warm is None else action.warm.filled(self._texts.to_say)
                await self._call.transfer(number, failed=action.failed, warm=first)
                return
        else:
            logger.warning("Transfer has no number to go to", extra={"call_id": self._call.call_id})
        if action.failed is not None:
            raise _Jump(action.failed)
        await self._speak(self._replies.words("no_transfer"))
        await self._call.hang_up()

    async def _hang_up(self, action: HangUp) -> None:
        goodbye = self._texts.to_say(action.goodbye) if action.goodbye else ""
        if goodbye:
            await self._speak(goodbye)
            if not self._said_goodbye:
                # Nobody likes to be cut off in their own goodbye, and some remember something just then.
                self._said_goodbye = True
                heard = await self._listen(wait_s=PARTING_WAIT_S, max_digits=self._replies.max_digits(None))
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
