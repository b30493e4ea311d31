"""Runs a voiceflow agent on a live call: the project has a turn, then the callee, until one of them is done."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx

from outdial.agents.brains.duties import ROUNDING_S, Duties, wait_for
from outdial.agents.brains.files import File, Files
from outdial.agents.brains.leaving import Leaving
from outdial.agents.brains.parting import outcome_of
from outdial.agents.brains.reaching import BrainAway, Door, Project
from outdial.agents.brains.words import Words
from outdial.agents.llm.free_talk import TransferTarget
from outdial.agents.llm.quiet import KEEP_S
from outdial.agents.script.template import Text
from outdial.agents.tools.access import Tools
from outdial.agents.voiceflow.definition import User, VoiceflowAgent
from outdial.agents.voiceflow.traces import Ended, Expects, Forward, Interruptions
from outdial.agents.voiceflow.turn import Item, Turn
from outdial.conversation.live_call import LiveCall
from outdial.conversation.turn_words import Asked
from outdial.conversation.verb_results import Said
from outdial.secrets.store import SecretMissing
from outdial.telephony.outcome import CALL_BACK, NAMED, WISH

FORWARD = "call-forward"   # what the way on of a transfer is called
MAX_SILENT_TURNS = 5       # one after the other in which the callee did nothing
FORGET_S = 2.0
VARIABLES_S = 3.0          # for the state to be read at the end
MAX_VARIABLES = 50
Action = Mapping[str, Any]


async def run_voiceflow(agent: VoiceflowAgent, call: LiveCall, tools: Tools) -> None:
    """Hold the conversation; raises CallEnded once the call is over, and AgentFailed when the project can't go on."""
    conversation = _Conversation(agent, call, tools)
    try:
        await conversation.hold()
    finally:
        await conversation.aclose()


class _Conversation:
    def __init__(self, agent: VoiceflowAgent, call: LiveCall, tools: Tools) -> None:
        self._agent = agent
        self._call = call
        self._tools = tools
        self._duties = Duties(agent, call)
        self._leaving = Leaving(agent, call, self._duties)
        self._files = Files(call, self._duties)
        self._loop = asyncio.get_running_loop()
        self._door: Door | None = None
        self._turn: Turn | None = None
        self._is_noted = False  # what the flow knows, since its last turn
        self._interruptible = True
        self._silent_turns = 0
        self._last_said = ""

    async def aclose(self) -> None:
        await self._files.aclose()
        if self._turn is not None:
            await self._turn.cancel()
        await self._note_variables()

    async def hold(self) -> None:
        action = await self._begin()
        while True:
            expects = await self._have_turn(action)
            action = await self._next_action(expects)

    # -- the project -------------------------------------------------------------------------------------------

    async def _begin(self) -> Action:
        """While the callee says hello, the project is launched already."""
        failed = self._call.failed_transfer
        launching = asyncio.ensure_future(self._open(forgets=failed is None))
        try:
            greeting = self._agent.greeting
            first = "" if failed is not None or greeting is None else self._duties.to_say(greeting)
            await self._duties.heed_wish(await self._call.greeting(first))
            if first:
                await self._duties.say(first)
            while not launching.done():
                await asyncio.wait({launching}, timeout=self._duties.quiet.left_s(KEEP_S))
                if not launching.done():
                    await self._duties.fill()
            if (why := launching.result()) is not None:
                await self._fail(why)
        finally:
            launching.cancel()
        if failed is not None:
            await self._leaving.back(failed.step, f"{failed.result}")
            return await self._after_failed_transfer()
        return self._launch_action()

    async def _open(self, *, forgets: bool) -> BrainAway | None:
        """The way into the project; and its first turn, where the call begins anew."""
        try:
            secrets = await self._tools.secrets({self._agent.api_key}, httpx.URL(self._agent.base_url).host)
        except SecretMissing:
            return BrainAway("secret_missing", may_again=False)
        self._door = self._tools.brains.door(
            Project(
                base_url=self._agent.base_url.rstrip("/"),
                project_id=self._agent.project,
                environment=self._agent.environment,
                user=self._call.call_id if self._agent.user is User.CALL else self._call.user_id,
                key=secrets[self._agent.api_key],
                streams=self._agent.streams,
            )
        )
        if forgets:
            if not self._agent.remembers:
                with suppress(BrainAway, TimeoutError):  # then the launch tells what is wrong
                    async with asyncio.timeout(FORGET_S):
                        await self._door.forget()
            self._turn = self._begun(self._launch_action())
        return None

    def _launch_action(self) -> Action:
        return {"type": "launch", "payload": self._call.last_event.get("payload", {})}

    def _begun(self, action: Action) -> Turn:
        assert self._door is not None
        self._is_noted = False
        variables = self._duties.values(self._agent.sent) if action["type"] == "launch" else {}
        sent = {name: value for name, value in variables.items() if value is not None}
        return Turn(self._door.turn(action, sent), self._files.begin)

    async def _have_turn(self, action: Action) -> Expects:
        """The project's turn, to its end or to where the callee interrupts. The first one may be under way already."""
        again = action["type"] == "launch"
        turn = self._turn = self._turn or self._begun(action)
        began = self._loop.time()
        while True:
            if turn.items:
                if not await self._do(turn.items.popleft(), turn):
                    break
            elif not turn.is_whole:
                await self._wait(turn, began)
            elif (why := turn.failure) is None:
                break
            elif again and why.may_again and not turn.has_begun:
                again = False  # nothing has come of it, and nothing of the call is lost
                self._call.tell("brain_lost", {"error": why.word})
                turn = self._turn = self._begun(action)
            else:
                await self._fail(why)
        await turn.cancel()
        self._tell(turn)
        self._turn = None
        return turn.expects

    async def _wait(self, turn: Turn, since: float) -> None:
        left_s = since + self._agent.answer_s - self._loop.time()
        if left_s <= ROUNDING_S and not turn.has_begun:
            await self._fail(BrainAway("no_answer"))
        turn.news.clear()
        quiet_s = self._duties.quiet.left_s(KEEP_S)
        came = await wait_for(turn.news, quiet_s if turn.has_begun else min(left_s, quiet_s))
        if not came and self._duties.is_quiet:
            await self._duties.fill()

    async def _fail(self, why: BrainAway) -> None:
        self._call.tell("brain_failed", {"error": why.word})
        await self._duties.give_up(f"The agent's Voiceflow project failed: {why.word}.")

    def _tell(self, turn: Turn) -> None:
        if turn.first_s is not None:
            unknown = {"ignored": turn.unknown} if turn.unknown else {}
            self._call.tell("brain", {"first_word_ms": round(turn.first_s * 1000), **unknown})

    # -- what a turn wants -------------------------------------------------------------------------------------

    async def _do(self, item: Item, turn: Turn) -> bool:
        """False once the turn is over."""
        match item:
            case Words():
                return await self._say(item, turn)
            case File():
                return await self._play(item, turn)
            case Interruptions(allowed=allowed):
                self._interruptible = allowed
            case Forward():
                await turn.cancel()
                await self._forward(item)
                turn.expects.goto = await self._after_failed_transfer()
                return False
            case Ended():
                await self._note_variables()
                await self._call.hang_up()
        return True

    async def _say(self, words: Words, turn: Turn) -> bool:
        while not await wait_for(words.begun, self._duties.quiet.left_s(KEEP_S)):
            await self._duties.fill()
        if not words.has_words:
            return True
        thought = words.thought(self._duties.one_moment, open_s=self._agent.answer_s)
        said = await self._call.say(thought, interruptible=self._interruptible)
        self._duties.quiet.broken()
        self._duties.was_said(said)
        self._last_said = said.text or self._last_said
        return self._goes_on(said, turn)

    async def _play(self, file: File, turn: Turn) -> bool:
        """Whoever speaks into our waiting is heard after it. One that can't be played is left out: the flow has no way
        to be told."""
        file.interruptible = self._interruptible
        while not await self._files.wait(file):
            pass
        return self._goes_on(await self._files.play(file), turn) if file.sound is not None else True

    def _goes_on(self, said: Said, turn: Turn) -> bool:
        """False where the callee has the word: the rest of the turn isn't said."""
        if not (said.interrupted or said.cut_off):
            return True
        turn.items.clear()
        turn.expects.goto = None
        return False

    async def _forward(self, forward: Forward) -> None:
        """Raises CallEnded; returns where nobody took the callee. No key can be pressed for the callee there."""
        await self._note_variables()
        named = next((one for one in self._agent.transfers if one.to.source == forward.number), None)
        target = named or TransferTarget(name=FORWARD, to=Text((forward.number,)), about="", line=0)
        await self._leaving.transfer(target, left_out="extension" if forward.has_extension else None)

    async def _after_failed_transfer(self) -> Action:
        event = self._agent.transfer_failed
        if event is None:
            await self._duties.say(self._duties.language.texts["no_transfer"], asks=False)
            await self._call.hang_up()
        return {"type": "event", "payload": {"event": {"name": event}}}

    async def _note_variables(self) -> None:
        """What the flow knows now is what the call has noted. The callee may hear nothing meanwhile."""
        if self._door is None or self._is_noted:
            return
        self._is_noted = True  # or it wasn't told in time, and won't be asked for again
        with suppress(BrainAway, TimeoutError):
            async with asyncio.timeout(VARIABLES_S):
                found = dict(await self._door.variables())
            word = outcome_of(self._agent, found.get(NAMED))
            ours = (WISH, CALL_BACK, NAMED)
            kept = {name: value for name, value in found.items() if name not in ours}
            self._call.noted.update(dict(list(kept.items())[:MAX_VARIABLES]))
            if word is not None:
                self._call.noted[NAMED] = word

    # -- the callee --------------------------------------------------------------------------------------------

    async def _next_action(self, expects: Expects) -> Action:
        """What the callee does, as the project is told it."""
        if expects.goto is not None:
            await self._count_silent_turn()
            return expects.goto
        while True:
            asked = Asked(
                question=self._last_said, takes_back=self._duties.takes_back, keying=expects.keys.keying
            )
            heard = await self._duties.listen(
                asked, no_reply_s=expects.no_reply_s or self._agent.no_reply_s, max_digits=self._keys(expects)
            )
            if not heard.silent:
                self._silent_turns = 0
                return _told(expects, heard.text, heard.digits)
            if expects.no_reply_s is not None:
                await self._count_silent_turn()
                return {"type": "no-reply"}
            await self._duties.hear_silence()

    def _keys(self, expects: Expects) -> int:
        return expects.keys.most or (len(str(len(expects.choices))) if expects.choices else 0)

    async def _count_silent_turn(self) -> None:
        """A flow that goes on and on by itself comes to an end."""
        self._silent_turns += 1
        if self._silent_turns > MAX_SILENT_TURNS:
            await self._duties.say(self._duties.language.texts["no_reply_goodbye"], asks=False)
            await self._call.hang_up()


def _told(expects: Expects, text: str, digits: str) -> Action:
    chosen = expects.chosen(text, digits)
    if chosen is not None:
        return chosen
    return {"type": "dtmf", "payload": digits} if digits else {"type": "text", "payload": text}
