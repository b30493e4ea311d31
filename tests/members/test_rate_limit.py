import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from outdial.db.tables import sign_in_failures
from outdial.members.rate_limit import OF_AN_ADDRESS, OF_AN_EMAIL, count_attempt, forgive
from outdial.refusals import LimitReached

EMAIL, ADDRESS = "alex@clinic.example", "192.0.2.1"


async def fail(engine, times=1, *, email=EMAIL, address=ADDRESS):
    """Returns how long the next one has to wait, when one was refused."""
    try:
        for number in range(times):
            await count_attempt(engine, email=email.format(number), address=address.format(number))
    except LimitReached as limit:
        return limit.retry_after_s
    return 0


@given(st.integers(0, 10_000))
def test_waits_only_grow_and_never_beyond_the_limit(failures):
    for limit in (OF_AN_EMAIL, OF_AN_ADDRESS):
        assert 0 <= limit.wait_s(failures) <= limit.wait_s(failures + 1) <= limit.max_wait_s


async def test_the_sixth_guess_at_one_person_waits_from_wherever_it_comes(engine, pass_time):
    assert await fail(engine, 5, address="192.0.2.{}") == 0
    assert await fail(engine, address="198.51.100.7") == 1
    await pass_time(timedelta(seconds=1))
    assert await fail(engine, address="198.51.100.7") == 0
    assert await fail(engine, address="198.51.100.8") == 2
    assert await fail(engine, email="other@clinic.example") == 0


async def test_whoever_runs_the_server_is_told_of_each_wait_once_and_of_no_names(engine, caplog):
    assert await fail(engine, 5) == 0
    for _ in range(3):
        assert await fail(engine) == 1
    (told,) = caplog.records
    assert (told.message, told.limit, told.wait_s) == ("Sign-in limit reached", "email", 1)
    assert EMAIL not in str(vars(told))


async def test_nobody_waits_longer_than_a_minute_for_what_others_do(engine, pass_time):
    for _ in range(40):
        await fail(engine, address="192.0.2.7")
        await pass_time(timedelta(minutes=1))
    waits = await fail(engine, 2, address="198.51.100.7")
    assert 0 < waits <= 60


async def test_one_address_that_tries_many_people_waits(engine):
    assert await fail(engine, 20, email="{}@clinic.example") == 0
    assert await fail(engine, email="new@clinic.example") == 1
    assert await fail(engine, email="new@clinic.example", address="192.0.2.2") == 0


async def test_a_network_of_ipv6_addresses_counts_as_one(engine):
    assert await fail(engine, 20, email="{}@clinic.example", address="2001:db8::{}") == 0
    assert await fail(engine, email="new@clinic.example", address="2001:db8::ffff") == 1
    assert await fail(engine, email="new@clinic.example", address="2001:db8:0:1::1") == 0
    assert await fail(engine, email="other@clinic.example", address="no address") == 0


async def test_many_at_once_are_no_way_around_it(engine):
    results = await asyncio.gather(*(fail(engine, address=f"192.0.2.{number}") for number in range(12)))
    assert sorted(results) == [0] * 5 + [1] * 7


async def test_what_is_refused_is_not_counted(engine, pass_time):
    await fail(engine, 5)
    for _ in range(10):
        assert await fail(engine) == 1
    await pass_time(timedelta(seconds=1))
    assert await fail(engine) == 0


async def test_a_success_forgives_the_person_and_one_attempt_of_the_address(engine):
    await fail(engine, 5)
    async with engine.begin() as conn:
        await forgive(conn, email=EMAIL, address=ADDRESS)
        assert (await conn.scalars(select(sign_in_failures.c.failures))).all() == [4]
    assert await fail(engine, 4) == 0


async def test_an_hour_later_all_is_forgotten_and_tidied_away(engine, pass_time):
    await fail(engine, 5)
    await pass_time(timedelta(hours=1, seconds=1))
    assert await fail(engine, 5) == 0
    await pass_time(timedelta(hours=1, seconds=1))
    await fail(engine, email="x@clinic.example", address="198.51.100.1")
    async with engine.connect() as conn:
        assert len((await conn.execute(select(sign_in_failures))).all()) == 2


async def test_neither_addresses_nor_what_was_typed_is_stored(engine):
    await fail(engine, email="my password, by mistake")
    async with engine.connect() as conn:
        stored = str((await conn.execute(select(sign_in_failures))).all())
    assert "password" not in stored
    assert ADDRESS not in stored


async def test_guessing_stops_at_the_limit_and_the_right_password_waits_too(engine, enter, invite):
    await invite("alex@clinic.example")
    for _ in range(5):
        with pytest.raises(Exception, match="wrong_password"):
            await enter("alex@clinic.example", "wrong")
    with pytest.raises(LimitReached, match="too_many_sign_ins"):
        await enter("alex@clinic.example")
