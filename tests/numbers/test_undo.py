"""What to put back at a carrier, and who keeps it in mind when a number goes."""

import pytest

from outdial.numbers.undo import NOTHING, RemovedUndo, Undo

FIRST, SECOND = "+15550000009", "+15550000010"
OURS, THEIRS = {"url": "https://old.example"}, {"url": "https://older.example"}


@pytest.mark.parametrize(
    "undo",
    [
        NOTHING,
        Undo(carrier=OURS, made=frozenset({"private_key", "application_id"})),
        Undo(carrier=None, earlier=(RemovedUndo(e164=FIRST, carrier=THEIRS), RemovedUndo(e164=SECOND, carrier=OURS))),
    ],
)
def test_it_is_kept_as_json_and_read_back(undo):
    assert Undo.from_json(undo.to_json()) == undo


def test_what_0_1_kept_is_read():
    kept = {"carrier": None, "made": ["key"], "earlier": []}
    assert Undo.from_json(kept) == Undo(carrier=None, made=frozenset({"key"}))
    del kept["earlier"]
    assert Undo.from_json(kept) == Undo(carrier=None, made=frozenset({"key"}))


@pytest.mark.parametrize("is_put_back", [False, True])
def test_a_removed_number_leaves_what_it_shares_and_its_own_once_that_is_put_back(is_put_back):
    removed = Undo(carrier=OURS, made=frozenset({"key"}), earlier=(RemovedUndo(e164="+15550000001", carrier=THEIRS),))
    heir = Undo(carrier=THEIRS, made=frozenset({"id"})).inheriting(removed, FIRST, is_put_back=is_put_back)
    own = (RemovedUndo(e164=FIRST, carrier=OURS),) if is_put_back else ()
    assert heir == Undo(carrier=THEIRS, made=frozenset({"key", "id"}), earlier=(*removed.earlier, *own))


def test_a_number_that_only_dialled_out_leaves_nothing_of_its_own():
    assert NOTHING.inheriting(NOTHING, FIRST, is_put_back=True) == NOTHING
