"""What a conversation begins with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from conversation.peers import Detector, Recogniser, Voice
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.transfer_returns import Returned
from outdial.conversation.call_facts import Engines
from outdial.conversation.opening import AfterHello, Greet
from outdial.conversation.verb_results import FailedTransfer
from outdial.live.given import engines_of, facts_of, recording_of, writing_of
from outdial.live.speech_use import SpeechUse
from outdial.speech.engines import OwnSpeech
from outdial.speech.reading.reader import Reading
from outdial.telephony.state import CallDirection
from outdial.telephony.transfer import TransferOutcome
from workspace import CALLEE, CALLER, Agents

LEASE = Lease(owner="worker_1", lease_s=15.0, silent_after_s=20.0)
BUSY = TransferOutcome.BUSY


@pytest.fixture
async def answered(workspace):
    claim = await workspace.dialed(
        variables={"name": "Jane"}, detection={"on_machine": "hang_up", "message": None, "max_wait_s": 30}
    )
    return await take_stream(workspace.engine, claim.attempt_id, claim.stream_token, LEASE)


def after_a_transfer(answered, *, talked_s):
    answered_at = datetime.now(UTC) - timedelta(seconds=talked_s)
    returned = Returned(step="sorry", to="+15551230009", result=BUSY, times=2, entries=7)
    return replace(answered, returned=returned, turns=3, call=replace(answered.call, answered_at=answered_at))


async def test_a_conversation_that_begins_has_the_whole_time(answered):
    facts = facts_of(answered, await Agents().agent("", 0))
    assert (facts.user_number, facts.agent_number) == (CALLEE, CALLER)
    assert (facts.max_duration_s, facts.variables) == (answered.call.max_duration_s, {"name": "Jane"})
    assert (facts.failed_transfer, facts.machine.max_wait_s) == (None, 30)


async def test_it_is_read_aloud_as_its_agent_reads(answered):
    agent = replace(await Agents().agent("", 0), reading=Reading(language="en-GB"))
    for each in (answered, after_a_transfer(answered, talked_s=1)):
        assert facts_of(each, agent).reading == agent.reading


async def test_who_speaks_first_and_how_long_is_held_on_is_the_agents(answered):
    agent = await Agents().agent("", 0)
    assert facts_of(answered, agent).turn_taking.opening is None
    polite = replace(agent, greet=Greet.AFTER_HELLO, hold_s=45.0)
    turn_taking = facts_of(answered, polite).turn_taking
    assert isinstance(turn_taking.opening, AfterHello)
    assert turn_taking.hold_s == 45.0


async def test_only_who_was_called_says_hello(answered):
    facts = facts_of(answered, await Agents().agent("", 0))
    assert facts.is_beginning
    assert not replace(facts, direction=CallDirection.INBOUND).is_beginning
    assert not facts_of(after_a_transfer(answered, talked_s=1), await Agents().agent("", 0)).is_beginning


async def test_a_machine_that_words_give_away_is_treated_as_the_agent_wants_machines(answered):
    agent = replace(await Agents().agent("", 0), machine_action="leave_message", machine_message="Call us.")
    not_asked = replace(answered, call=replace(answered.call, detection=None))
    policy = facts_of(not_asked, agent).machine
    assert (policy.action, policy.message(None), policy.max_wait_s) == ("leave_message", "Call us.", None)
    asked = facts_of(answered, agent).machine
    assert (asked.action, asked.max_wait_s) == ("hang_up", 30)
    back = facts_of(after_a_transfer(not_asked, talked_s=1), agent).machine
    assert back.action == "continue"


@pytest.mark.parametrize("brings_ears", [True, False])
@pytest.mark.parametrize("brings_voice", [True, False])
async def test_an_agent_brings_its_own_engines_or_has_those_of_the_process(brings_ears, brings_voice):
    shared = Engines(speech_to_text=Recogniser(), text_to_speech=Voice(), voice_activity=Detector())
    ears, voice = Recogniser(name="a vendor's"), Voice(name="a vendor's")
    own = OwnSpeech(to_text=ears if brings_ears else None, from_text=voice if brings_voice else None)
    engines = engines_of(replace(await Agents().agent("", 0), speech=own), shared, SpeechUse(lambda type_, data: None))
    assert engines.speech_to_text is (ears if brings_ears else shared.speech_to_text)
    assert engines.text_to_speech is (voice if brings_voice else shared.text_to_speech)
    assert engines.voice_activity is shared.voice_activity


async def test_one_that_goes_on_after_a_transfer_has_the_time_that_is_left(answered):
    facts = facts_of(after_a_transfer(answered, talked_s=100), await Agents().agent("", 0))
    assert facts.max_duration_s == pytest.approx(answered.call.max_duration_s - 100, abs=2)
    assert facts.failed_transfer == FailedTransfer(step="sorry", to="+15551230009", result=BUSY)
    assert facts.machine.max_wait_s is None, "who answered is not asked again"
    late = facts_of(after_a_transfer(answered, talked_s=100_000), await Agents().agent("", 0))
    assert late.max_duration_s == 0


async def test_it_is_written_down_and_recorded_after_what_came_before(workspace, answered):
    back = after_a_transfer(answered, talked_s=1)
    writing = writing_of(workspace.engine, back)
    assert (writing.first_seq, writing.entries, writing.returns) == (3, 7, 2)
    assert (writing_of(workspace.engine, answered).entries, answered.returns) == (0, 0)
    names = [recording_of(workspace.settings.data_dir, each).name for each in (answered, back)]
    assert names == [f"{answered.call.id}.wav", f"{answered.call.id}-003.wav"]
