"""Runs a relay agent on a live call: what its server sends is done in its order, what the callee does is told to it.

A turn is the server's from a prompt on until it has ended what it says; then it is the callee's. The server may speak
into a silence of the callee's all the same.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from outdial.agents.brains.duties import ROUNDING_S, Duties, wait_for
from outdial.agents.brains.files import File, Files
from outdial.agents.brains.leaving import Leaving
from outdial.agents.brains.parting import handed_over
from outdial.agents.brains.reaching import BrainAway
from outdial.agents.brains.words import Words
from outdial.agents.llm.quiet import KEEP_S
from outdial.agents.relay import protocol
from outdial.agents.relay.agenda import Agenda, Item
from outdial.agents.relay.definition import RelayAgent
from outdial.agents.relay.link import Connected, Link
from outdial.agents.relay.opening import Opening, as_texts
from outdial.agents.relay.protocol import End, Message, Play, SendDigits, SwitchLanguage, TextToken
from outdial.agents.tools.access import Tools
from outdial.conversation.languages import LanguageMissing
from outdial.conversation.live_call import LiveCall
from outdial.conversation.stopping import stop
from outdial.conversation.turn_words import Asked
from outdial.conversation.verb_results import Heard, Said, SpeechFailed, Thought
from outdial.speech.base import base_of

OPEN_S = 2.0  # of nothing: a server that doesn't mark its ends has ended


async def run_relay(agent: RelayAgent, call: LiveCall, tools: Tools) -> None:
    """Hold the conversation; raises CallEnded once the call is over, and AgentFailed when the server can't go on."""
    conversation = _Conversation(agent, call, tools)
    try:
        await conversation.hold()
    finally:
        await conversation.aclose()


class _Conversation:
    def __init__(self, agent: RelayAgent, call: LiveCall, tools: Tools) -> None:
        self._agent = agent
        self._call = call
        self._tools = tools
        self._duties = Duties(agent, call)
        self._leaving = Leaving(agent, call, self._duties)
        self._files = Files(call, self._duties)
        self._loop = asyncio.get_running_loop()
        self._agenda = Agenda(agent, lambda why: self._link.send(protocol.error(why)))
        self._waits_since: float | None = None  # an answer is due
        self._is_deaf = False     # to what was meant before the callee interrupted
        self._had_digit = False   # the callee's last; the server knows whether it wants more
        self._last_said = self._partial = ""
        self._lang = agent.language  # of what the callee says
        self._unspoken: set[str] = set()  # languages that the server has said things in all the same
        self._link = self._opened()

    async def aclose(self) -> None:
        await self._files.aclose()
        await self._link.aclose()

    async def hold(self) -> None:
        await self._begin()
        while True:
            if self._agenda:
                await self._do(self._agenda.next())
            elif (why := self._link.failure) is not None:
                await self._fail(why)
            else:
                self._speak_in(self._agenda.language)
                await (self._listen() if self._waits_since is None else self._wait(self._waits_since))

    # -- the connection ----------------------------------------------------------------------------------------

    def _opened(self) -> Link:
        opening = Opening(self._agent, self._call, self._tools, as_texts(self._duties.values(self._agent.parameters)))
        return Link(
            opening.connect,
            lambda: opening.setup(self._leaving.result),
            self._take,
            reconnects=self._agent.reconnects,
            over=self._agenda.end_open,
            connected=self._tell_connected,
            lost=self._was_lost,
        )

    def _tell_connected(self, how: Connected) -> None:
        self._call.tell("brain_connected", {"after_ms": how.after_ms, "attempt": how.attempt})

    def _was_lost(self, why: BrainAway) -> None:
        self._call.tell("brain_lost", {"error": why.word})

    async def _fail(self, why: BrainAway) -> None:
        self._call.tell("brain_failed", {"error": why.word})
        await self._duties.give_up(f"The agent's relay server failed: {why.word}.")

    # -- what the server wants ---------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        match message:
            case TextToken() if not self._is_deaf:
                if not self._agenda.take_text(message):
                    self._waits_since = None
            case Play() if not self._is_deaf:
                if (file := self._agenda.take_file(message)) is not None:
                    self._files.begin(file)
            case SendDigits() | End():
                self._agenda.take(message)
            case SwitchLanguage():
                self._switch(message)
        self._link.answered()

    def _switch(self, wanted: SwitchLanguage) -> None:
        """Of what it says next, and of what the callee does. What can't be is told to it."""
        told: dict[str, str] = {}
        if (spoken := wanted.spoken) is not None and self._is_done(self._call.languages.check_spoken, spoken):
            self._agenda.speak_in(spoken)
            told["spoken"] = spoken
        if (heard := wanted.heard) is not None and self._is_done(self._duties.hear_in, heard):
            self._lang = told["heard"] = heard
        if told:
            self._call.tell("brain_language", told)

    def _is_done(self, change: Callable[[str], object], language: str) -> bool:
        try:
            change(language)
        except LanguageMissing as missing:
            self._link.send(protocol.error(f"{missing}"))
            return False
        return True

    def _speak_in(self, language: str) -> None:
        """Where nobody speaks it, in the one that was agreed upon; the server is told once."""
        if language in self._unspoken or not self._is_done(self._duties.speak_in, language):
            self._unspoken.add(language)
            self._duties.speak_in(self._agenda.language)

    def _goes_on_without(self, language: str) -> bool:
        """Whether it can, in the agent's language, though speech in this one has failed. The server is told."""
        own = self._agent.language
        if base_of(language) == base_of(own):
            return False
        self._link.send(protocol.error(f"Speech in {language} failed; the call goes on in {own}"))
        return True

    # -- what is done of it ------------------------------------------------------------------------------------

    async def _do(self, item: Item) -> None:
        match item:
            case Words():
                await self._say(item)
            case File():
                await self._play(item)
            case SendDigits(digits=digits):
                await self._call.send_digits(digits)
                self._duties.quiet.broken()
                self._waits_since = None
            case End(handoff=handoff):
                await self._link.aclose()
                await self._leaving.part(handed_over(handoff))
                await self._begin_again()

    async def _say(self, words: Words) -> None:
        """Who speaks into our waiting is heard as if into the words."""
        self._speak_in(words.language or self._agenda.language)
        due_at = (words.since if self._waits_since is None else self._waits_since) + self._agent.answer_s
        while not await wait_for(words.begun, min(self._duties.quiet.left_s(KEEP_S), self._left_s(due_at))):
            if self._left_s(due_at) <= ROUNDING_S:  # it has begun, and not with a word
                await self._give_up_on(words)
            elif self._duties.is_quiet and (await self._duties.fill()).interrupted:
                self._turn_is_over()
                return
        self._tell_times(words)
        if not words.has_words:
            self._waits_since = None
            return
        filler = self._duties.one_moment if self._agenda.marks_ends else None
        open_s = self._agent.answer_s if self._agenda.marks_ends else OPEN_S
        thought = words.thought(filler, open_s=open_s)
        try:
            said = await self._said(words, self._spoken(words, thought))
        except SpeechFailed:
            if not self._goes_on_without(spoken := words.language or self._agenda.language):
                raise
            said = None
            self._unspoken.add(spoken)
            if self._agenda.language == spoken:
                self._agenda.speak_in(self._agent.language)
        self._duties.quiet.broken()
        self._waits_since = None
        if said is None:
            words.end()
            return
        self._duties.was_said(said)
        self._last_said = said.text or self._last_said
        if said.interrupted or said.cut_off:
            words.end()
            heard = " ".join(said.text.replace(self._duties.one_moment, "", words.fillers).split())
            self._interrupted(heard, said.played_ms)

    async def _play(self, file: File) -> None:
        """As `_say`. The server has ended what it says with it: some send nothing else."""
        if not await self._files.wait(file):
            self._turn_is_over()
            return
        self._waits_since = None
        if file.failed is not None:
            self._link.send(protocol.error(f"Audio could not be played: {file.failed}"))
            return
        said = await self._said(file, self._files.play(file))
        if said is not None and (said.interrupted or said.cut_off):
            self._interrupted("", said.played_ms)

    def _left_s(self, at: float) -> float:
        return max(0.0, at - self._loop.time())

    async def _give_up_on(self, words: Words) -> None:
        """No answer has come of them; where none was due, they are over."""
        if self._waits_since is not None:
            await self._fail(BrainAway("no_answer"))
        words.end()

    async def _said(self, item: Words | File, verb: Coroutine[Any, Any, Said]) -> Said | None:
        """None where something else took its place: music may go on for as long as the server has nothing to say."""
        saying = asyncio.create_task(verb, name="words of a relay agent's server")
        ends: list[asyncio.Event] = [self._agenda.makes_way] if item.preemptible else []
        if isinstance(item, File):
            ends.append(self._link.has_failed)
        waiting = [asyncio.create_task(end.wait(), name="end of a relay agent's words") for end in ends]
        try:
            await asyncio.wait({saying, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            failure = await stop(saying)
        if failure is not None:
            raise failure
        return None if saying.cancelled() else saying.result()

    async def _spoken(self, words: Words, thought: Thought) -> Said:
        return await self._call.say(thought, interruptible=words.interruptible)

    def _interrupted(self, heard: str, played_ms: int, *, wants_answer: bool = False) -> None:
        self._link.send(protocol.interrupt(heard, played_ms), wants_answer=wants_answer)
        self._turn_is_over()

    def _turn_is_over(self) -> None:
        """The callee has the word: what the server had meant to say isn't said."""
        self._agenda.interrupted()
        self._is_deaf, self._waits_since = True, None

    def _tell_times(self, words: Words) -> None:
        if self._waits_since is not None and words.first_token_at is not None:
            self._call.tell(
                "brain", {"first_word_ms": round((words.first_token_at - self._waits_since) * 1000)}
            )

    # -- the callee --------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        greeting = self._agent.greeting
        heard = await self._call.greeting("" if greeting is None else self._duties.to_say(greeting))
        await self._duties.heed_wish(heard)
        if (failed := self._call.failed_transfer) is not None:
            await self._leaving.back(failed.step, f"{failed.result}")
            await self._begin_again()
        elif greeting is not None:
            said = await self._duties.say(self._duties.to_say(greeting))
            self._last_said = said.text
            if said.interrupted or said.cut_off:
                self._interrupted(said.text, said.played_ms, wants_answer=True)  # it may not be connected yet
        elif heard.text:
            self._prompt(heard.text)
        else:
            self._wait_for_answer()

    async def _begin_again(self) -> None:
        """On a new connection: the callee is back from a transfer that came to nothing. Where nobody has said so, the
        server does."""
        await self._link.aclose()
        self._agenda.clear()
        self._is_deaf = False
        self._link = self._opened()
        self._waits_since = None if self._leaving.has_said_so else self._loop.time()

    async def _wait(self, since: float) -> None:
        """For the server to begin to answer."""
        left_s = since + self._agent.answer_s - self._loop.time()
        if left_s <= ROUNDING_S:
            await self._fail(BrainAway("no_answer"))
        self._link.news.clear()
        await wait_for(self._link.news, min(left_s, self._duties.quiet.left_s(KEEP_S)))
        if self._agenda or self._waits_since is None or self._link.failure is not None:
            return
        if self._duties.is_quiet and (await self._duties.fill()).interrupted:
            self._waits_since = None

    async def _listen(self) -> None:
        try:
            heard = await self._hear(KEEP_S if self._had_digit else self._agent.no_reply_s)
        except SpeechFailed:
            if not self._goes_on_without(self._lang):
                raise
            self._lang = self._agent.language
            self._duties.hear_in(self._lang)
            return
        had_digit, self._had_digit = self._had_digit, bool(heard.digits)
        if heard.silent:
            if not self._has_news():
                await (self._duties.fill() if had_digit else self._duties.hear_silence())
            return
        self._is_deaf = False
        for digit in heard.digits:
            self._link.send(protocol.dtmf(digit), wants_answer=True)
        if not heard.digits:
            self._prompt(heard.text)

    async def _hear(self, no_reply_s: float) -> Heard:
        asked = Asked(
            question=self._last_said,
            takes_back=self._duties.takes_back,
            guessed=self._guess if self._agent.partial_prompts else None,
            gives_way=self._has_news,
        )
        return await self._duties.listen(asked, no_reply_s=no_reply_s, max_digits=1 if self._agent.dtmf else 0)

    def _has_news(self) -> bool:
        return bool(self._agenda) or self._link.failure is not None

    def _prompt(self, text: str) -> None:
        self._partial = ""
        self._link.send(protocol.prompt(text, self._lang), wants_answer=True)
        self._wait_for_answer()

    def _wait_for_answer(self) -> None:
        self._waits_since = self._loop.time()

    def _guess(self, text: str | None) -> None:
        if text and text != self._partial and not self._duties.wants_no_more_calls(text):
            self._partial = text
            self._link.send(protocol.prompt(text, self._lang, last=False))
