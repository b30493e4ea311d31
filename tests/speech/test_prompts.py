import asyncio
import os

import pytest

from outdial.speech.prompts import PIECE_BYTES, PromptCache
from outdial.speech.reading.reader import Reading


class Engine:
    """Speaks one piece of audio per word, when it is allowed to."""

    name = "engine 1 voice"

    def __init__(self):
        self.spoken = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def speak(self, text):
        self.spoken.append(text)
        for word in text.split():
            if word == "broken":
                raise RuntimeError("engine fault")
            yield word.encode() * 160
            await self.may_go_on.wait()


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def cache(tmp_path, engine):
    return PromptCache(tmp_path / "prompts", engine)


async def heard(prompts, text, **options):
    return b"".join([piece async for piece in prompts.speak(text, **options)])


async def settled():
    """Every prompt being made is stored."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


def stored(tmp_path):
    return [path for path in (tmp_path / "prompts").glob("*/*") if path.is_file()]


HELLO = b"he" * 160 + b"lo" * 160


async def test_a_prompt_is_synthesised_once(cache, engine):
    assert await heard(cache, "he lo") == HELLO
    assert await heard(cache, "he lo") == HELLO
    assert engine.spoken == ["he lo"]


async def test_a_prompt_outlives_the_process(cache, engine, tmp_path):
    await heard(cache, "he lo")
    await settled()
    assert await heard(PromptCache(tmp_path / "prompts", engine), "he lo") == HELLO
    assert engine.spoken == ["he lo"]


async def test_another_voice_has_its_own_prompts(cache, tmp_path):
    await heard(cache, "he lo")
    await settled()
    other = Engine()
    other.name = "engine 1 other voice"
    await heard(PromptCache(tmp_path / "prompts", other), "he lo")
    assert other.spoken == ["he lo"]


async def test_the_first_piece_is_heard_before_the_last_is_made(cache, engine):
    engine.may_go_on.clear()
    pieces = cache.speak("he lo")
    assert await anext(pieces) == b"he" * 160
    engine.may_go_on.set()
    assert await anext(pieces) == b"lo" * 160


async def test_two_calls_that_say_the_same_at_once_share_the_work(cache, engine):
    assert await asyncio.gather(heard(cache, "he lo"), heard(cache, "he lo")) == [HELLO, HELLO]
    assert engine.spoken == ["he lo"]


async def test_a_listener_that_stops_holds_up_nobody(cache, engine, tmp_path):
    interrupted = cache.speak("he lo")
    await anext(interrupted)
    assert await heard(cache, "he lo") == HELLO
    await interrupted.aclose()
    await settled()
    assert len(stored(tmp_path)) == 1


async def test_a_fault_of_the_engine_reaches_the_listener_and_is_not_kept(cache, engine, tmp_path):
    with pytest.raises(RuntimeError, match="engine fault"):
        await heard(cache, "he broken")
    await settled()
    assert stored(tmp_path) == []
    with pytest.raises(RuntimeError, match="engine fault"):
        await heard(cache, "he broken")


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[:-2], lambda data: b"RIFF" + data[4:], lambda data: data + b"x"],
)
async def test_a_damaged_file_is_replaced(cache, engine, tmp_path, damage):
    await heard(cache, "he lo")
    await settled()
    [path] = stored(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert await heard(PromptCache(tmp_path / "prompts", engine), "he lo") == HELLO
    await settled()
    assert path.read_bytes() == whole


async def test_long_and_private_text_is_not_kept(cache, engine, tmp_path):
    assert await heard(cache, "he lo", cache=False) == HELLO
    await heard(cache, "he " * 300)
    await settled()
    assert stored(tmp_path) == []


async def test_what_was_kept_before_texts_were_read_aloud_is_kept_still(cache):
    for prompt in ("Hello Jane, this is Riverside Dental.", "Can you make it, or shall I call again? Goodbye!"):
        assert cache.key(Reading().spoken(prompt)) == cache.key(prompt)


async def test_a_way_to_say_a_word_has_a_prompt_of_its_own(cache):
    plain, own = Reading(), Reading(pronunciations=(("Nguyen", "win"),))
    assert cache.key(plain.spoken("Hello Nguyen.")) != cache.key(own.spoken("Hello Nguyen."))
    assert cache.key(plain.spoken("Hello.")) == cache.key(own.spoken("Hello."))


async def test_long_audio_comes_in_pieces(cache):
    text = "he " * 150
    first = [piece async for piece in cache.speak(text)]
    again = [piece async for piece in cache.speak(text)]
    assert b"".join(first) == b"".join(again)
    assert len(again) > 1
    assert max(map(len, again)) == PIECE_BYTES


async def test_memory_holds_what_was_used_last(tmp_path, engine):
    cache = PromptCache(tmp_path / "prompts", engine, memory_bytes=700)
    for text in ("aa", "bb", "aa", "cc"):  # 320 bytes each: room for two
        await heard(cache, text)
    await settled()
    for path in stored(tmp_path):
        path.unlink()
    for text in ("aa", "cc", "bb"):
        await heard(cache, text)
    assert engine.spoken == ["aa", "bb", "cc", "bb"]


async def test_a_start_makes_room_on_the_disk(cache, engine, tmp_path):
    for age_s, text in ((30, "old"), (20, "used"), (10, "new")):
        before = set(stored(tmp_path))
        await heard(cache, text)
        await settled()
        [path] = set(stored(tmp_path)) - before
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    left_over = path.parent / "x.tmp"
    left_over.write_bytes(b"half")
    os.utime(left_over, (0, 0))
    smaller = PromptCache(tmp_path / "prompts", engine, disk_bytes=1200)
    assert len(stored(tmp_path)) == 2
    engine.spoken.clear()
    for text in ("new", "used", "old"):
        await heard(smaller, text)
    assert engine.spoken == ["old"]


async def test_room_is_made_on_the_disk_while_it_goes_on(engine, tmp_path):
    """Prompts with a callee's name in them are new with every call: a process that runs for weeks fills the disk."""
    cache = PromptCache(tmp_path / "prompts", engine, disk_bytes=3300)
    for number in range(40):
        await heard(cache, f"Hello {number}")
        await settled()
    assert 1 <= len(stored(tmp_path)) <= 3300 // 328 + 2


async def test_a_full_disk_does_not_silence_the_agent(cache, tmp_path):
    (tmp_path / "prompts" / cache.key("he lo")[:2]).write_bytes(b"a file where a directory should be")
    assert await heard(cache, "he lo") == HELLO
    await settled()
