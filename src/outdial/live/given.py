"""What a conversation begins with: the facts of its call, its engines, and where its journal and its recording go."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.ownership import Answered
from outdial.conversation.call_facts import CallFacts, Engines, turn_taking_of
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import FailedTransfer
from outdial.live.call_languages import CallLanguages
from outdial.live.detection import NOT_ASKED, late_ms_of, machine_policy
from outdial.live.journal import Writing
from outdial.live.recordings import recording_path
from outdial.live.speech_use import SpeechUse
from outdial.workspaces.listening import NO_NOTICE, Announce, ListeningNotice


def facts_of(answered: Answered, agent: ReadyAgent, notice: ListeningNotice = NO_NOTICE) -> CallFacts:
    """One that goes on after a transfer has the time that is left, and asks no more who answered, nor tells the callee
    again that somebody may listen."""
    call, returned = answered.call, answered.returned
    talked_s = 0.0
    if returned is not None and call.answered_at is not None:
        talked_s = (clock.now() - call.answered_at).total_seconds()
    failed = None
    if returned is not None:
        failed = FailedTransfer(step=returned.step, to=returned.to, result=returned.result)
    at_start = notice.announce is Announce.AT_START and returned is None
    return CallFacts(
        call_id=call.id,
        direction=call.direction,
        user_number=call.to if call.is_outbound else call.from_,
        agent_number=call.from_ if call.is_outbound else call.to,
        max_duration_s=max(0.0, call.max_duration_s - talked_s),
        variables=answered.variables,
        noted=answered.noted,
        failed_transfer=failed,
        machine=machine_policy(call.detection, agent) if failed is None else NOT_ASKED,
        reading=agent.reading,
        turn_taking=turn_taking_of(agent.reading.language, greet=agent.greet, hold_s=agent.hold_s),
        notice=words_of(notice, agent.reading.language) if at_start else None,
        late_ms=late_ms_of(answered),
    )


def words_of(notice: ListeningNotice, language: str) -> str:
    """What the callee hears, in the agent's language (a BCP 47 tag) unless the workspace has words of its own."""
    return notice.text or language_of(language).texts["listened_to"]


def engines_of(agent: ReadyAgent, shared: Engines, spoken: SpeechUse) -> Engines:
    """Those of the process, but for what the agent brings itself; `spoken` sees what a vendor does of it."""
    engines = replace(
        shared,
        speech_to_text=spoken.recognition(agent.speech.to_text, shared.speech_to_text, agent.reading.language),
        text_to_speech=spoken.voice(agent.speech.from_text, shared.text_to_speech, agent.reading.language),
    )
    if agent.languages is None:
        return engines
    return replace(engines, languages=CallLanguages(agent.languages, engines, shared, spoken))


def writing_of(engine: AsyncEngine, answered: Answered) -> Writing:
    """After what was written of earlier attempts, and from before the call was transferred."""
    return Writing(
        engine=engine,
        call_id=answered.call.id,
        attempt_number=answered.attempt.number,
        first_seq=answered.turns,
        entries=0 if answered.returned is None else answered.returned.entries,
        returns=answered.returns,
        disclosure=answered.disclosure,
    )


def recording_of(data_dir: Path, answered: Answered) -> Path:
    call = answered.call
    return recording_path(data_dir, call.workspace_id, call.id, answered.turns, returns=answered.returns)
