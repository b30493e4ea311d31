import outdial.token_buckets
from outdial.token_buckets import TokenBuckets


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_bucket_is_emptied_at_once_and_fills_up_evenly():
    clock = Clock()
    buckets = TokenBuckets(per_s=50, at_once=100, clock=clock)
    assert [buckets.take("a") for _ in range(100)] == [0] * 100
    assert buckets.take("a") == 1
    clock.now_s += 0.1
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    clock.now_s += 1000
    assert [buckets.take("a") for _ in range(101)] == [0] * 100 + [1]


def test_everybody_has_their_own():
    buckets = TokenBuckets(per_s=1, at_once=1, clock=Clock())
    assert [buckets.take(of) for of in ("a", "b", "a")] == [0, 0, 1]


def test_who_waits_as_long_as_they_were_told_gets_a_token():
    for per_s in (0.1, 1 / 3, 0.7, 3.0, 50.0):
        clock = Clock()
        buckets = TokenBuckets(per_s=per_s, at_once=1, clock=clock)
        assert buckets.take("a") == 0
        wait_s = buckets.take("a")
        assert wait_s == buckets.take("a") >= 1  # asking costs nothing
        clock.now_s += wait_s
        assert buckets.take("a") == 0, per_s


def test_a_token_that_is_given_back_is_there_again():
    buckets = TokenBuckets(per_s=1, at_once=2, clock=Clock())
    buckets.take("a")
    buckets.give_back("a")
    buckets.give_back("a")  # no fuller than full
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]


def test_the_memory_for_it_is_bounded(monkeypatch):
    monkeypatch.setattr(outdial.token_buckets, "MOST", 3)
    buckets = TokenBuckets(per_s=1, at_once=1, clock=Clock())
    for of in ("a", "b", "c", "d"):
        assert buckets.take(of) == 0
    assert [buckets.take(of) for of in ("d", "c", "b")] == [1, 1, 1]
    assert buckets.take("a") == 0
