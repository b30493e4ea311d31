import asyncio

import outdial.short_memory
from outdial.short_memory import ShortMemory


class Asked:
    def __init__(self, answer="yes"):
        self.answer = answer
        self.times = 0

    async def __call__(self):
        self.times += 1
        await asyncio.sleep(0)
        return self.answer


async def test_an_answer_is_kept_as_long_as_it_was_promised_from_when_it_was_asked_for():
    now = 0.0
    memory = ShortMemory[str, str](ttl_s=3.0, clock=lambda: now)

    async def slow():
        nonlocal now
        now = 2.0
        return "yes"

    assert await memory.get("key", slow) == "yes"
    now = 2.9
    assert await memory.get("key", Asked("no")) == "yes"
    now = 3.0
    assert await memory.get("key", Asked("no")) == "no"


async def test_an_answer_older_than_its_time_when_it_comes_is_told_and_not_kept():
    now = 0.0
    memory = ShortMemory[str, str](ttl_s=3.0, clock=lambda: now)

    async def too_slow():
        nonlocal now
        now = 30.0
        return "yes"

    assert await memory.get("key", too_slow) == "yes"
    assert await memory.get("key", Asked("no")) == "no"


async def test_no_answer_is_asked_for_again():
    memory, asked = ShortMemory[str, str](ttl_s=3.0), Asked(None)
    assert [await memory.get("key", asked), await memory.get("key", asked)] == [None, None]
    assert asked.times == 2


async def test_what_is_forgotten_while_it_is_asked_for_is_not_kept():
    memory = ShortMemory[str, str](ttl_s=3.0)

    async def changed_meanwhile():
        memory.forget(lambda answer: answer == "something else")
        return "before"

    assert await memory.get("key", changed_meanwhile) == "before"
    assert await memory.get("key", Asked("after")) == "after"


async def test_only_what_has_changed_is_forgotten():
    memory, again = ShortMemory[str, str](ttl_s=3.0), Asked("again")
    for key in ("a", "b"):
        await memory.get(key, Asked(key))
    memory.forget(lambda answer: answer == "a")
    assert [await memory.get(key, again) for key in ("a", "b")] == ["again", "b"]


async def test_it_holds_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr(outdial.short_memory, "MOST", 2)
    memory, again = ShortMemory[str, str](ttl_s=3.0), Asked("again")
    for key in ("a", "b", "c"):
        await memory.get(key, Asked(key))
    assert await memory.get("c", again) == "c"
    assert await memory.get("a", again) == "again"
