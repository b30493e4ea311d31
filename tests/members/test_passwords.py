import asyncio

import pytest

from outdial.members.passwords import check_password, hash_password, is_outdated, is_password
from outdial.refusals import Invalid, LimitReached


async def test_only_the_password_itself_matches_its_hash():
    stored = await hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert not is_outdated(stored)
    assert await is_password("correct horse", stored)
    for wrong in ("", "correct hors", "Correct horse", "correct horse\0", "\ud800", "x" * 100_000):
        assert not await is_password(wrong, stored)


async def test_nobody_has_the_password_of_nobody():
    for password in ("", "nobody has this password"):
        assert not await is_password(password, None)


async def test_a_hash_that_is_none_matches_nothing():
    assert not await is_password("correct horse", "plain text")


async def test_a_crowd_is_told_to_come_back_instead_of_being_queued():
    results = await asyncio.gather(*(is_password("x", None) for _ in range(60)), return_exceptions=True)
    assert [type(result) for result in results].count(LimitReached) == 10
    assert not await is_password("x", None)


@pytest.mark.parametrize("good", ["ten chars!", "x" * 200, "Grüße, Åse!"])
def test_ten_characters_are_enough_and_two_hundred_not_too_many(good):
    check_password(good)


def test_a_password_that_is_too_short_or_too_long_is_refused_by_its_field():
    for wrong in ("nine char", "x" * 201):
        with pytest.raises(Invalid) as refused:
            check_password(wrong, field="new_password")
        assert refused.value.field == "new_password"
