import asyncio

import pytest

import virtual_time
from outdial.repeating import Pauses, repeat

PAUSES = Pauses(first_s=1.0, longest_s=5.0)


class Hiccup(Exception):
    pass


class Work:
    """Fails so many times, then succeeds."""

    def __init__(self, failures, error=Hiccup):
        self.failures = failures
        self.error = error
        self.tried_at = []

    async def __call__(self):
        self.tried_at.append(asyncio.get_running_loop().time())
        if len(self.tried_at) <= self.failures:
            raise self.error
        return "done"


def test_pauses_grow_to_a_limit_and_are_never_all_the_same():
    for failures, longest_s in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5000, 5.0)):
        pauses = {PAUSES.after(failures) for _ in range(50)}
        assert len(pauses) > 1
        assert longest_s / 2 <= min(pauses) <= max(pauses) <= longest_s


def test_what_fails_is_done_again_until_it_succeeds():
    work, told = Work(4), []
    done = virtual_time.run(repeat(work, on=Hiccup, pauses=PAUSES, failed=told.append))
    assert (done, len(work.tried_at), [type(error) for error in told]) == ("done", 5, [Hiccup] * 4)
    assert 6.0 <= work.tried_at[-1] <= 12.0


def test_it_is_given_up_when_the_tries_are_over():
    work, told = Work(9), []
    with pytest.raises(Hiccup):
        virtual_time.run(
            repeat(work, on=Hiccup, pauses=Pauses(first_s=1.0, longest_s=5.0, tries=3), failed=told.append)
        )
    assert (len(work.tried_at), len(told)) == (3, 3)


def test_what_trying_again_would_not_mend_is_raised_at_once():
    work = Work(1, error=LookupError)
    with pytest.raises(LookupError):
        virtual_time.run(repeat(work, on=(Hiccup, OSError), pauses=PAUSES))
    assert len(work.tried_at) == 1
