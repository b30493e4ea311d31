"""Which days hold for a call: its agent's own, else its workspace's; of a change that can be undone the longer ones."""

import pytest

from outdial.retention.rules import Days, Kept, Rule, Rules, longer


def days(recordings=None, transcripts=None, details=None):
    return Days(recordings_days=recordings, transcripts_days=transcripts, details_days=details)


def rules(workspace, own=None, *, before=None, own_before=None):
    agents = {}
    if own is not None:
        agents = {"agent_1": Rule(workspace_id="ws", agent_id="agent_1", days=own, before=own_before)}
    return Rules(workspace=Rule(workspace_id="ws", agent_id=None, days=workspace, before=before), agents=agents)


@pytest.mark.parametrize(("one", "other", "longest"), [(3, 5, 5), (0, 5, 0), (5, 0, 0), (0, 0, 0), (4, 4, 4)])
def test_for_ever_is_the_longest(one, other, longest):
    assert longer(one, other) == longest


def test_an_agent_without_days_of_its_own_has_its_workspaces():
    held = rules(days(10, 20, 30), days(recordings=5))
    assert [held.days(kept, "agent_1") for kept in Kept] == [5, 20, 30]
    assert [held.days(kept, "agent_2") for kept in Kept] == [10, 20, 30]
    assert [held.days(kept, None) for kept in Kept] == [10, 20, 30]


@pytest.mark.parametrize(("now", "before", "holds"), [(5, 50, 50), (50, 5, 50), (5, 0, 0), (0, 5, 0)])
def test_what_can_be_undone_takes_nothing_yet(now, before, holds):
    held = rules(days(now, 0, 0), before=days(before, 0, 0))
    assert held.days(Kept.RECORDINGS, None) == holds
    own = rules(days(7, 0, 0), days(recordings=now), own_before=days(recordings=before))
    assert own.days(Kept.RECORDINGS, "agent_1") == holds


def test_an_agents_first_days_count_beside_what_it_had_from_its_workspace():
    held = rules(days(50, 0, 0), days(recordings=5), own_before=days())
    assert held.days(Kept.RECORDINGS, "agent_1") == 50


def test_days_that_are_tried_hold_at_once():
    held = rules(days(50, 0, 0), days(recordings=40), before=days(0, 0, 0))
    assert held.after(None, days(5, 0, 0)).days(Kept.RECORDINGS, None) == 5
    assert held.after("agent_1", days(recordings=4)).agents["agent_1"].days.recordings_days == 4
    assert held.after("agent_3", days()).days(Kept.RECORDINGS, "agent_3") == 0


def test_days_come_back_from_the_database_as_they_were():
    some = Days(recordings_days=1, transcripts_days=None, details_days=0, callbacks_days=9)
    assert Days.from_json(some.to_json()) == some
