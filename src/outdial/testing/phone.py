"""A callee in memory, who says and presses what a test has written down, on a call with an agent."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from outdial.agents.gates import gates_of
from outdial.agents.kinds import KINDS, PYTHON, ParsedAgent, kind_of, parse_agent
from outdial.agents.llm.chat import Model
from outdial.agents.python.definition import PythonAgent
from outdial.agents.script.path import Path
from outdial.agents.script.template import parse_text, render
from outdial.agents.script.values import known
from outdial.agents.tools.access import NoTools, Tools
from outdial.conversation.call_facts import CallFacts, Engines, MachinePolicy, TurnTaking, turn_taking_of
from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.conversation.media_line import MediaLine
from outdial.conversation.opening import Greet
from outdial.conversation.session import Session
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.transcript import Speaker, Turn
from outdial.conversation.verb_results import NOT_TAKEN, CallBackRefused, TransferFailed
from outdial.conversation.warm import Warm
from outdial.media.frames import FRAME_MS
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.telephony.state import CallDirection
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy
from outdial.testing.engines import CALLEE, Detector, Recogniser, Voice, speech_ms
from outdial.testing.languages import LanguagesInMemory
from outdial.testing.line import Carrier, PlainCodec
from outdial.testing.sounds import SoundsInMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cue:
    """What the callee does once the agent has said something: `over` its words, or `pause_s` after them."""

    after: str
    pause_s: float
    over: bool
    does: Callable[[], object]


class Phone:
    """One call to a callee in memory. Needs virtual time: see virtual_time.run."""

    def __init__(
        self,
        agent: AgentCoroutine | PythonAgent | str,
        *,
        models: Sequence[Model] = (),
        tools: Tools | None = None,
        variables: Mapping[str, Any] | None = None,
        turn_taking: TurnTaking | None = None,
        max_duration_s: float = 600.0,
        greet: Greet = Greet.AFTER_HELLO,
        machine: MachinePolicy | None = None,
    ) -> None:
        """`agent`: an agent in Python, a coroutine over a LiveCall, or the YAML of an agent, whose `models` answer
        where it has any, in the order in which its source names them; its tools are reached by `tools`. `greet` and
        `machine`, where it doesn't say them: who speaks first, and what is done with a machine."""
        how = turn_taking_of("en-US", greet=greet)
        if isinstance(agent, str | PythonAgent):
            kind = PYTHON if isinstance(agent, PythonAgent) else kind_of(agent)
            parsed: ParsedAgent = parse_agent(agent) if isinstance(agent, str) else agent
            how = turn_taking_of(parsed.language, greet=parsed.greet or greet, hold_s=parsed.hold_s)
            machine = machine or _machine_of(parsed)
            reached = tools or NoTools()
            agent = lambda call: KINDS[kind].run(parsed, call, Path(), models, reached)  # noqa: E731
        self.turns: dict[int, Turn] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.transferred_to: list[str] = []
        self.asked: list[tuple[str, str]] = []  # who was asked to take the callee, and what they were told
        self.takes_call = TransferOutcome.ANSWERED  # what they make of it, after …
        self.answers_after_s = 6.0
        self.can_be_asked = True
        self.sounds = SoundsInMemory()  # the files that are there to be played
        self.called_back_at: list[datetime] = []
        self.refuses_call_back = ""  # why
        self._loop = asyncio.get_running_loop()
        self._cues: list[_Cue] = []
        self._greetings: list[tuple[float, str, int | None]] = []
        self._news = asyncio.Event()  # a turn was told
        self._recogniser = Recogniser()
        self._line = Carrier()
        self.languages = LanguagesInMemory(self._recogniser)  # in which the call may be held beside the agent's
        engines = Engines(
            speech_to_text=self._recogniser, text_to_speech=Voice(), voice_activity=cast(VoiceActivity, Detector()),
            sounds=self.sounds, languages=self.languages,
        )  # fmt: skip
        facts = CallFacts(
            call_id="call_in_memory",
            direction=CallDirection.OUTBOUND,
            user_number="+12025550150",
            agent_number="+12025550100",
            max_duration_s=max_duration_s,
            variables=variables or {},
            machine=machine or MachinePolicy(),
            turn_taking=turn_taking or how,
        )
        self._session = Session(facts, agent, engines, self, self)
        self._session.media_line = self._line.media_line = MediaLine(
            PlainCodec(), self._line, Pacer(), self._session, lambda: None
        )

    # -- what the callee does: one after the other, in the order written ----------------------------------------

    def says(
        self, text: str, *, after: str = "", pause_s: float = 0.6, over: bool = False, lasts_ms: int | None = None
    ) -> None:
        """`pause_s` after the agent has said a turn with `after` in it; `over`: after it began to."""
        self._cues.append(_Cue(after=after, pause_s=pause_s, over=over, does=lambda: self._say(text, lasts_ms)))

    def greets(self, text: str, *, after_s: float = 0.3, lasts_ms: int | None = None) -> None:
        """So long after it has picked up, whatever the agent does; may be called for several utterances."""
        self._greetings.append((after_s, text, lasts_ms))

    def presses(self, keys: str, *, after: str = "", pause_s: float = 0.6, over: bool = False) -> None:
        self._cues.append(_Cue(after=after, pause_s=pause_s, over=over, does=lambda: self._line.press(keys)))

    def hangs_up(self, *, after: str = "", pause_s: float = 0.6, over: bool = False) -> None:
        self._cues.append(_Cue(after=after, pause_s=pause_s, over=over, does=self._line.stop))

    async def talk(self) -> SessionEnd:
        """The whole call, until the agent or the callee ends it."""
        self._loop.call_soon(self._line.start)
        for after_s, text, lasts_ms in self._greetings:
            self._loop.call_later(after_s, self._say, text, lasts_ms)
        callee = asyncio.create_task(self._follow_cues())
        try:
            return await self._session.run(10.0)
        finally:
            callee.cancel()
            self._session.media_line.close()

    # -- what came of it ---------------------------------------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        """The transcript: "agent: …" and "callee: …", in the order in which they began."""
        return [f"{turn.speaker}: {turn.text}" for _, turn in sorted(self.turns.items())]

    @property
    def answered_by(self) -> AnsweredBy | None:
        """Who answered, as far as it was found out."""
        return self._session.answering.category

    @property
    def noted(self) -> dict[str, Any]:
        return dict(self._session.noted)

    @property
    def interrupted(self) -> list[str]:
        """What was heard of the agent's turns that the callee cut short."""
        return [turn.text for _, turn in sorted(self.turns.items()) if turn.interrupted]

    # -- Journal, CarrierControl ---------------------------------------------------------------------------------

    def turn(self, turn: Turn) -> None:
        self.turns[turn.seq] = turn
        self._news.set()

    def event(self, type_: str, data: dict[str, Any]) -> None:
        self.events.append((type_, data))

    async def transfer(self, to: str, *, failed: str | None) -> None:
        self.transferred_to.append(to)

    async def can_consult(self) -> bool:
        return self.can_be_asked

    async def consult(self, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        self.asked.append((to, warm.brief))
        await asyncio.sleep(self.answers_after_s)
        if self.takes_call is not TransferOutcome.ANSWERED:
            raise TransferFailed(NOT_TAKEN, self.takes_call)
        joining()

    async def call_back(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        if self.refuses_call_back:
            raise CallBackRefused(self.refuses_call_back)
        if promised:
            self.called_back_at.append(at)

    # -- inside ------------------------------------------------------------------------------------------------

    async def _follow_cues(self) -> None:
        seen = 0  # the newest turn that was answered
        for cue in self._cues:
            while (turn := self._said(cue, seen)) is None:
                self._news.clear()
                await self._news.wait()
            seen = turn.seq - 1 if cue.over else turn.seq
            begin_ms = turn.start_ms if cue.over or turn.end_ms is None else turn.end_ms
            await asyncio.sleep(max(0.0, begin_ms / 1000 + cue.pause_s - self._session.media_line.now_ms() / 1000))
            cue.does()
            await asyncio.sleep(len(self._line.mouth) * FRAME_MS / 1000)

    def _said(self, cue: _Cue, seen: int) -> Turn | None:
        """The next turn of the agent's that the cue waits for."""
        for seq, turn in sorted(self.turns.items()):
            is_due = cue.over or turn.end_ms is not None
            if seq > seen and turn.speaker == Speaker.AGENT and cue.after in turn.text and is_due:
                return replace(turn)
        return None

    def _say(self, text: str, lasts_ms: int | None) -> None:
        number = CALLEE + len(self._recogniser.words)
        self._recogniser.words[number] = text
        self._line.say(number, lasts_ms or speech_ms(text))


def _machine_of(agent: ParsedAgent) -> MachinePolicy:
    message = agent.machine.message

    def word(text: str, call: LiveCall) -> str:
        return render(parse_text(text), known(call), agent.variables, to_say=True)

    return MachinePolicy(
        action=agent.machine.action,
        message=lambda call: "" if message is None else word(message, call),
        gates=gates_of(agent.machine, word),
    )
