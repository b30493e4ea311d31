"""A wish not to be called again, however it is noted."""

import pytest

from outdial.conversation.notes import Notes


@pytest.mark.parametrize(
    "note",
    [
        lambda notes: notes.update(do_not_call=True),
        lambda notes: notes.setdefault("do_not_call", True),
        lambda notes: notes.__setitem__("do_not_call", True),
        lambda notes: notes.__ior__({"do_not_call": True}),
    ],
)
async def test_a_wish_is_told_at_once_however_it_is_noted(note):
    notes = Notes({"mood": "good"})
    assert not notes.wish.is_set()
    note(notes)
    assert notes.wish.is_set()
    assert notes == {"mood": "good", "do_not_call": True}


async def test_other_notes_are_no_wish():
    notes = Notes({"do_not_call": "yes"})
    notes["outcome"] = "confirmed"
    assert not notes.wish.is_set()
