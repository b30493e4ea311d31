"""The call that a python agent's coroutine is given.

What every agent owes its callees is kept here, whatever the coroutine does: a wish for no more calls is heeded, only
declared numbers are dialled, silence is asked about and comes to an end, and so does an agent that won't notice that
its call is over.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from outdial.agents.python.definition import PythonAgent
from outdial.agents.python.questions import SAVED, SAVED_WORDS, question_of, single_question
from outdial.agents.script.path import Path
from outdial.agents.script.run import run_script
from outdial.agents.script.template import Text, lookup, render
from outdial.agents.script.values import known
from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.live_call import NORMAL, LiveCall
from outdial.conversation.passed_on import PassedOn
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Question
from outdial.conversation.understanding.understand import wants_no_more_calls
from outdial.conversation.verb_results import CallEnded, Heard, Said
from outdial.conversation.warm import Warm
from outdial.media.sounds import Sound
from outdial.telephony.e164 import plain
from outdial.telephony.outcome import WISH

NO_REPLY_S = 8.0
PARTING_S = 2.0      # after our goodbye, for theirs
MAX_SILENCES = 2     # one after the other; then nobody is there
PATIENCE_ENDED = 20  # verbs on a call that is over, before an agent that goes on all the same is slowed down
SLOWED_S = 1.0

_NUMBER = re.compile(r"\+[1-9]\d{7,14}")
_FORMATTING = re.compile(r"[\s().-]")


class NotDeclared(ValueError):
    """A transfer to a number that the agent doesn't declare; the message doesn't name it."""


class _Kept(PassedOn):
    """Keeps what the agent owes. Questions are asked on it, which see to silence themselves."""

    def __init__(self, agent: PythonAgent, call: LiveCall) -> None:
        super().__init__(call)
        self._agent = agent
        self._language = language_of(agent.language)
        self._ended = 0

    async def greeting(self, then: str = "") -> Heard:
        try:
            heard = await self._call.greeting(then)
        except CallEnded:
            await self._slowed()
            raise
        await self._heed_wish(heard)
        return heard

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        try:
            return await self._call.say(text, interruptible=interruptible, asks=asks)
        except CallEnded:
            await self._slowed()
            raise

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = NO_REPLY_S, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        # A coroutine can't be taken back to the question before.
        asked = replace(asked, takes_back=False)
        try:
            heard = await self._call.listen(
                until_silence_s=until_silence_s,
                no_reply_s=no_reply_s,
                max_digits=max_digits,
                asked=asked,
                patience=patience,
            )
        except CallEnded:
            await self._slowed()
            raise
        await self._heed_wish(heard)
        return heard

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        try:
            return await self._call.play(sound, loop=loop, interruptible=interruptible)
        except CallEnded:
            await self._slowed()
            raise

    async def send_digits(self, digits: str) -> None:
        try:
            await self._call.send_digits(digits)
        except CallEnded:
            await self._slowed()
            raise

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | str | None = None) -> None:
        """As LiveCall's; `warm` may be the brief alone."""
        number = _FORMATTING.sub("", plain(to))
        if number not in self._numbers():
            raise NotDeclared("a transfer goes to a number that the agent declares: @agent(transfers=[…])")
        try:
            first = Warm(brief=warm) if isinstance(warm, str) else warm
            await self._call.transfer(number, failed=failed, warm=first)
        except CallEnded:
            await self._slowed()
            raise

    async def hang_up(self) -> None:
        try:
            await self._call.hang_up()
        except CallEnded:
            await self._slowed()
            raise

    def texts(self, name: str) -> str:
        """What Outdial says of its own accord, by its name in the language's file."""
        return self._language.texts[name]

    def _numbers(self) -> set[str]:
        """That the agent declares. A variable is one that was sent with the call: what a callee dictates is not
        dialled."""
        found = set()
        for text, _ in self._agent.transfers:
            sent = "".join(part if isinstance(part, str) else str(self._sent(part.path) or "") for part in text.parts)
            number = _FORMATTING.sub("", plain(sent))
            if _NUMBER.fullmatch(number):
                found.add(number)
        return found

    def _sent(self, path: str) -> Any:
        value = lookup(path, self._call.variables)
        return lookup(path, self._agent.variables) if value in (None, "") else value

    async def _heed_wish(self, heard: Heard) -> None:
        """Whoever wants no more calls is asked nothing further."""
        if heard.digits or not heard.text:
            return
        words = [self._worded(text) for text in self._agent.do_not_call.words]
        if wants_no_more_calls(heard.text, Question(do_not_call=words), self._language):
            await self.promise_no_more_calls()

    async def promise_no_more_calls(self) -> None:
        """Say so, and end the call (raises CallEnded); the number goes onto the do-not-call list."""
        self._call.noted[WISH] = True
        await self._call.say(self._worded(self._agent.do_not_call.say), interruptible=False)
        await self._call.hang_up()

    def _worded(self, text: Text) -> str:
        return render(text, known(self._call), self._agent.variables, to_say=True)

    async def _slowed(self) -> None:
        """For an agent that catches everything and tries again: it must not keep the event loop to itself."""
        self._ended += 1
        await asyncio.sleep(0 if self._ended < PATIENCE_ENDED else SLOWED_S)


class Call(_Kept):
    """A live call, as python agents see it. Every verb raises CallEnded once the call is over."""

    def __init__(self, agent: PythonAgent, call: LiveCall) -> None:
        super().__init__(agent, call)
        self._kept = _Kept(agent, call)
        self._silences = 0
        self._greeting: Heard | None = None

    async def greeting(self, then: str = "") -> Heard:
        """What the callee said when it picked up; silent where we were to speak first."""
        if self._greeting is None:
            self._greeting = await super().greeting(then)
        return self._greeting

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = NO_REPLY_S, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL, may_be_silent: bool = False,
    ) -> Heard:  # fmt: skip
        """What the callee says or presses next. Who is silent is asked once whether they are still there; then the call
        ends. With `may_be_silent` the silence is heard instead, at most MAX_SILENCES times in a row."""
        while True:
            heard = await super().listen(
                until_silence_s=until_silence_s,
                no_reply_s=no_reply_s,
                max_digits=max_digits,
                asked=asked,
                patience=patience,
            )
            if not heard.silent:
                self._silences = 0
                return heard
            self._silences += 1
            if may_be_silent and self._silences <= MAX_SILENCES:
                return heard
            if self._silences < MAX_SILENCES:
                said = await self.say(self.texts("still_there"), asks=True)
            else:
                said = await self.say(self.texts("no_reply_goodbye"), asks=False)
            if said.interrupted:
                self._silences = 0
            elif self._silences >= MAX_SILENCES:
                await self.hang_up()

    async def ask(
        self,
        question: str,
        answers: Iterable[str] | Mapping[str, str | Iterable[str]],
        *,
        keys: Mapping[str, str] | None = None,
        wait_s: float = 6.0,
    ) -> str | None:
        """Ask until one of the answers is given, and say which; None when it was asked again and none was understood.

        `answers`: phrases, or by the answer's name its phrase or phrases; "yes" and "no" stand for everything people
        say for them. `keys`: which key stands for which answer, {"1": "yes"}. Who says nothing is asked once more, then
        the call ends, as in scripts.
        """
        named = answers if isinstance(answers, Mapping) else {one: one for one in answers}
        ask = question_of(named, keys, None, None, wait_s, self._agent.language)
        found: str | None = await self._ask(question, ask)
        return found

    async def ask_for(
        self, question: str, type: str, *, read_back: bool | None = None, wait_s: float = 6.0
    ) -> Any:
        """Ask for a value of a type that scripts know ("digits(5)", "date", "phone", "name"): the value as it was
        meant, None when none was understood."""
        return await self._ask(question, question_of({}, None, type, read_back, wait_s, self._agent.language))

    async def hang_up(self, goodbye: str = "") -> None:
        """Say goodbye, hear theirs, and end the call (raises CallEnded)."""
        if goodbye:
            await self.say(goodbye, asks=False)
            await self.part()
        await super().hang_up()

    async def part(self) -> None:
        """Nobody likes to be cut off in their own goodbye."""
        await self._kept.listen(no_reply_s=PARTING_S)

    async def _ask(self, question: str, ask: Any) -> Any:
        try:
            await run_script(single_question(self._agent, question, ask), self._kept, Path())
            return self.noted.get(SAVED)
        finally:
            for name in (SAVED, SAVED_WORDS):
                self.noted.pop(name, None)
