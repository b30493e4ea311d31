from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.changes import Kind, diff_scripts

TEXTS = st.lists(st.sampled_from(["", "say: a", "say: b", "  goto: c", "- digits: [1]"]), max_size=30).map("\n".join)


def shown(diff):
    return [[(line.kind.value, line.before, line.after, line.text) for line in hunk] for hunk in diff.hunks]


def test_a_changed_line_is_removed_and_added_with_what_is_around_it():
    before = "a\nb\nc\nd\ne\nf\n"
    assert shown(diff_scripts(before, before.replace("c", "C"), context=1)) == [
        [("same", 2, 2, "b"), ("removed", 3, None, "c"), ("added", None, 3, "C"), ("same", 4, 4, "d")]
    ]


def test_places_far_apart_are_told_apart():
    before = "\n".join(str(number) for number in range(40))
    diff = diff_scripts(before, before.replace("3\n", "three\n", 1) + "\nend")
    assert [[line.after for line in hunk if line.kind is Kind.ADDED] for hunk in diff.hunks] == [[4], [41]]
    assert (diff.added, diff.removed) == (2, 1)


def test_texts_that_differ_in_line_ends_only_have_no_changes():
    assert diff_scripts("a\r\nb", "a\nb\n").hunks == ()


def test_what_would_take_minutes_is_not_compared():
    diff = diff_scripts("\n" * 90_000, "x\n" + "\n" * 90_000)
    assert diff.hunks == ()
    assert not diff.told


def test_an_identical_long_text_is_no_trouble():
    assert diff_scripts("\n" * 90_000, "\n" * 90_000).told


@given(before=TEXTS, after=TEXTS)
def test_the_changes_lead_from_one_text_to_the_other(before, after):
    old, new = before.splitlines(), after.splitlines()
    lines = [line for hunk in diff_scripts(before, after, context=100).hunks for line in hunk]
    if old == new:
        assert not lines
        return
    assert [line.text for line in lines if line.kind is not Kind.ADDED] == old
    assert [line.text for line in lines if line.kind is not Kind.REMOVED] == new
    assert [line.before for line in lines if line.before] == list(range(1, len(old) + 1))
    assert [line.after for line in lines if line.after] == list(range(1, len(new) + 1))
