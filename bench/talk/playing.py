"""Plays a plan on the conversation that ships, with the engines that ship, and tells what came of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any

from bench.talk import voices
from bench.talk.phone import Phone
from bench.talk.plans import Plan, behind_voice
from outdial.agents.script.parse import parse_script
from outdial.agents.script.run import run_script
from outdial.conversation.call_facts import CallFacts, Engines, turn_taking_of
from outdial.conversation.live_call import LiveCall
from outdial.conversation.media_line import MediaLine
from outdial.conversation.session import Session
from outdial.conversation.transcript import Speaker, Turn
from outdial.media.frames import FRAME_MS
from outdial.media.pacer import Pacer
from outdial.media.voice_activity import VoiceActivity
from outdial.speech.offline import OfflineSpeechToText, OfflineTextToSpeech
from outdial.speech.prompts import PromptCache
from outdial.telephony.state import CallDirection
from outdial.testing import virtual_time
from outdial.testing.audio_engines import TimedClosedAnswers, TimedSpeechToText, detect_voice
from outdial.testing.audio_phone import Sound, Utterance, reply_ms
from outdial.testing.callee_voice import Samples
from outdial.testing.line import PlainCodec
from outdial.testing.line_audio import LineAudio

ENDS_S = 30.0  # a call has so long to end once its time is up


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """`noted`: what the agent noted. Times are ms since the call began, in frames of 20 ms, as heard by the callee."""

    noted: dict[str, Any]
    turns: tuple[Turn, ...]
    agent: tuple[bool, ...]
    utterances: tuple[Utterance, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the agent let itself be interrupted."""
        return any(turn.interrupted for turn in self.turns if turn.speaker == Speaker.AGENT)

    @property
    def heard(self) -> list[str]:
        """What the agent took for the callee's words."""
        return [turn.text for turn in self.turns if turn.speaker == Speaker.CALLEE]

    def spoken_ms(self, from_ms: int = 0, until_ms: int | None = None) -> int:
        """How much of the agent's voice was heard then."""
        return sum(self.agent[from_ms // FRAME_MS : None if until_ms is None else until_ms // FRAME_MS]) * FRAME_MS

    def reply_ms(self, utterance: Utterance) -> int | None:
        """From its last voiced frame to the agent's next; None when there was none."""
        return reply_ms(self.agent, utterance)

    def silenced_ms(self, utterance: Utterance) -> int | None:
        """From its first voiced frame until the agent was silent, for 300 ms at least; None when it wasn't speaking,
        or was not silenced."""
        first = utterance.start_ms // FRAME_MS
        if not any(self.agent[max(0, first - 10) : first + 1]):
            return None
        last, quiet = first, 0
        for place in range(first, len(self.agent)):
            quiet = 0 if self.agent[place] else quiet + 1
            last = place + 1 if self.agent[place] else last
            if quiet >= 15:
                return (last - first) * FRAME_MS
        return None

    def longest_pause_ms(self, from_ms: int = 0) -> int:
        """The longest silence of the agent between two frames of its voice."""
        voiced = [place for place, heard in enumerate(self.agent) if heard and place * FRAME_MS >= from_ms]
        return max((b - a - 1 for a, b in pairwise(voiced)), default=0) * FRAME_MS


Speech = Callable[[str], Samples]  # what the plan's voice says of a text


def play(plan: Plan, *, speech: Speech | None = None) -> Played:
    """Not inside an event loop. Without `speech`, what is said must have been prepared (`voices.prepare`)."""
    return virtual_time.run(_play(plan, speech or partial(_say, plan.voice)))


async def _play(plan: Plan, speech: Speech) -> Played:
    script = parse_script(plan.script)

    async def agent(call: LiveCall) -> None:
        await run_script(script, call)

    activity = VoiceActivity()
    engines = Engines(
        speech_to_text=TimedSpeechToText(OfflineSpeechToText()),
        text_to_speech=PromptCache(voices.FOLDER / "prompts", OfflineTextToSpeech()),
        voice_activity=activity,
        closed=TimedClosedAnswers(),
    )
    journal = _Journal()
    session = Session(_facts(plan), agent, engines, journal, _NoControl())
    behind = None
    if plan.line.behind:
        behind = voices.speech(behind_voice(plan.voice), plan.line.behind)
    phone = Phone(plan, LineAudio(plan.line, behind, plan.seed), speech)
    phone.media_line = session.media_line = MediaLine(PlainCodec(), phone, Pacer(), session, lambda: None)
    detection = asyncio.create_task(detect_voice(activity))
    try:
        asyncio.get_running_loop().call_soon(phone.pick_up)
        async with asyncio.timeout(plan.at_most_s + ENDS_S):
            await session.run(10.0)
    finally:
        session.media_line.close()
        detection.cancel()
    return _played(session, journal, phone.sound)


def _played(session: Session, journal: "_Journal", sound: Sound) -> Played:
    turns = {turn.seq: turn for turn in journal.turns}
    return Played(
        noted=dict(session.noted),
        turns=tuple(turns[seq] for seq in sorted(turns)),
        agent=tuple(sound.agent),
        utterances=tuple(sound.utterances),
    )


@cache
def _say(voice: str, text: str) -> Samples:
    return voices.speech(voice, text)


def _facts(plan: Plan) -> CallFacts:
    return CallFacts(
        call_id="call_1",
        direction=CallDirection.OUTBOUND,
        user_number="+12025550150",
        agent_number="+12025550100",
        max_duration_s=plan.at_most_s,
        variables=plan.variables,
        turn_taking=turn_taking_of("en-US", greet=plan.greet),
    )


class _Journal:
    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def turn(self, turn: Turn) -> None:
        self.turns.append(turn)

    def event(self, type_: str, data: dict[str, Any]) -> None:
        pass


class _NoControl:
    async def transfer(self, to: str, *, failed: str | None) -> None:
        raise AssertionError("no plan asks for a transfer")
