"""Levels tell the callee from who else is heard."""

import pytest

from outdial.conversation.near_voice import FAINT_DBFS, FULL_SCALE, NearVoice


def rms(dbfs):
    return FULL_SCALE * 10 ** (dbfs / 20)


def heard(near, dbfs, windows=20):
    """Whether each window of a stretch of speech can be the callee's."""
    near.begins()
    return [near.window(rms(dbfs)) for _ in range(windows)]


@pytest.fixture
def near():
    """A callee who has answered at -26 dBFS."""
    near = NearVoice()
    assert all(heard(near, -26))
    near.answered(near.loudest)
    return near


@pytest.mark.parametrize(("dbfs", "is_callee"), [(-26, True), (-38, True), (-42, False), (-46, False)])
def test_a_voice_15_db_below_the_callees_is_somebody_elses(near, dbfs, is_callee):
    assert set(heard(near, dbfs)) == {is_callee}


@pytest.mark.parametrize("dbfs", [-20, -35, -50])
def test_before_anybody_has_answered_any_level_may_be_the_callees(dbfs):
    assert all(heard(NearVoice(), dbfs))


def test_a_television_behind_an_answer_does_not_make_it_longer():
    near = NearVoice()
    assert all(heard(near, -46))
    assert all(near.window(rms(-26)) for _ in range(10)), "the callee"
    after = [near.window(rms(-46)) for _ in range(30)]
    assert after.index(False) < 10
    assert not any(after[10:])


def test_the_end_of_a_word_is_still_the_callees(near):
    near.begins()
    assert all(near.window(rms(dbfs)) for dbfs in (-24, -24, -30, -45, -50))


def test_a_level_well_below_the_callees_is_told_once_that_is_known(near):
    assert [near.is_below(dbfs) for dbfs in (-26, -34, -36)] == [False, False, True]
    assert not NearVoice().is_below(-60)


def test_the_level_follows_a_callee_who_speaks_lower(near):
    for _ in range(8):
        heard(near, -36)
        near.answered(near.loudest)
    assert all(heard(near, -46))


def test_who_takes_over_the_phone_is_heard_once_nobody_answered(near):
    assert not any(heard(near, -45))
    near.forget()
    assert all(heard(near, -45))


@pytest.mark.parametrize(("dbfs", "faint"), [(FAINT_DBFS - 2, True), (FAINT_DBFS + 2, False)])
def test_a_faint_voice_of_whom_nothing_is_known_is_no_interruption(dbfs, faint):
    near = NearVoice()
    assert not near.is_faint(near.loudest)
    heard(near, dbfs)
    assert near.is_faint(near.loudest) is faint


def test_a_faint_voice_that_has_answered_is_none(near):
    heard(near, -45)
    assert not near.is_faint(near.loudest)


@pytest.mark.parametrize(
    ("first_dbfs", "windows", "then_dbfs", "nearer"),
    [(-46, 40, -24, True), (-46, 8, -24, False), (-30, 40, -14, False), (-46, 40, -40, False)],
    ids=["a callee before a television", "a soft beginning", "a louder word", "a louder television"],
)
def test_somebody_nearer_begins_to_speak(first_dbfs, windows, then_dbfs, nearer):
    near = NearVoice()
    near.begins()
    told = []
    for dbfs in [first_dbfs] * windows + [then_dbfs] * 12:
        near.window(rms(dbfs))
        told.append(near.has_come_nearer())
    assert told.count(True) == nearer


def test_once_the_callee_is_known_nobody_comes_nearer(near):
    near.begins()
    for dbfs in [-46] * 40 + [-24] * 12:
        near.window(rms(dbfs))
        assert not near.has_come_nearer()
