"""The closed recogniser, on what the offline voice says over a telephone line."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from outdial.media.frames import silence
from outdial.speech import closed_answers
from outdial.speech.closed_answers import ClosedAnswers, Limit, available, installed
from outdial.speech.engines import Speech
from outdial.speech.offline import RECOGNISERS, in_every_worker, recognition_queue
from speech.test_offline import over_the_phone, spoken

pytestmark = pytest.mark.skipif(available() is not None, reason="no closed recogniser on this platform")

RATING = [[word] for word in ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]]
DAYS = [["thursday"], ["friday"]]


async def closest(pcm, answers, heard=""):
    recognition = ClosedAnswers().recognition()
    recognition.feed(pcm)
    return await recognition.closest(answers, heard)


@pytest.mark.parametrize(
    ("text", "answers", "heard", "answer"),
    [("Thursday.", DAYS, "Thirsty.", 0), ("Friday.", DAYS, "Fried A.", 1),
     ("Three.", RATING, "Free.", 2), ("Thursday, please.", DAYS, "Firstly, please.", 0)],
)  # fmt: skip
async def test_an_answer_alone_is_found(text, answers, heard, answer):
    found = await closest(over_the_phone(await spoken(text, "callee")), answers, heard)
    assert found.answer == answer
    assert found.alike > found.other_alike


async def test_what_is_no_answer_fits_worse_than_an_answer_does():
    answer = await closest(over_the_phone(await spoken("Thursday.")), DAYS, "Thirsty.")
    other = await closest(over_the_phone(await spoken("The baby is crying.")), DAYS, "The baby is crying.")
    assert other is None or other.fit < answer.fit - 5


async def test_phrases_with_words_nobody_taught_it_are_left_out():
    pcm = over_the_phone(await spoken("Thursday."))
    found = await closest(pcm, [["thursday"], ["xyzzyology", "the xyzzyology"]], "Thirsty.")
    assert (found.answer, found.lead) == (0, float("inf"))
    assert await closest(pcm, [["xyzzyology"]], "Thirsty.") is None


async def test_silence_and_a_monologue_are_nothing():
    assert await closest(silence(1000), DAYS, "Thirsty.") is None
    assert await closest(over_the_phone(await spoken("Thursday.")) * 4, DAYS, "Thirsty.") is None


def test_work_that_nobody_waits_for_any_more_ends():
    limit = Limit()
    limit.stop()
    pcm = over_the_phone(asyncio.run(spoken("Thursday.")))
    assert closed_answers._closest(pcm, DAYS, "Thirsty.", limit) is None


def test_work_is_limited_by_what_it_costs_and_not_by_how_long_a_busy_machine_takes():
    limit = Limit(0.05)
    limit.begin()
    time.sleep(0.1)  # other work goes first
    assert not limit.is_reached()
    began = time.thread_time()
    while time.thread_time() < began + 0.1:
        pass
    assert limit.is_reached()


def test_work_that_costs_too_much_gives_no_opinion(monkeypatch):
    monkeypatch.setattr(Limit.__init__, "__defaults__", (0.0,))
    pcm = over_the_phone(asyncio.run(spoken("Thursday.")))
    assert asyncio.run(closest(pcm, DAYS, "Thirsty.")) is None


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_work_that_nobody_waits_for_recognises_nothing_more(monkeypatch, meanwhile):
    limit, asked = Limit(), []

    def recognise(pcm, tempo):
        asked.append(tempo)
        limit.stop()
        return "Thirsty."

    monkeypatch.setattr(closed_answers, "recognise", recognise)
    monkeypatch.setattr(closed_answers, "_decoder", lambda: pytest.fail("nobody waits"))
    if not meanwhile:
        limit.stop()
    pcm = over_the_phone(await spoken("Thursday."))
    assert closed_answers._closest(pcm, DAYS, "Thirsty.", limit) is None
    assert len(asked) == meanwhile


async def test_every_worker_is_warm_before_the_first_call(monkeypatch, tmp_path):
    monkeypatch.setattr(closed_answers, "_of_this_thread", threading.local())
    closed_answers._load_pronunciations.cache_clear()
    speech = await Speech.offline(tmp_path)
    monkeypatch.setattr(closed_answers, "_Decoder", lambda: pytest.fail("loaded too late"))
    warm = []
    await in_every_worker(lambda: warm.append(closed_answers._decoder()))
    assert len(set(warm)) == RECOGNISERS
    assert closed_answers._load_pronunciations.cache_info().currsize == 1
    assert speech.closed.name == closed_answers.PACKAGE


async def test_what_cannot_be_loaded_leaves_no_second_opinion(monkeypatch, tmp_path, caplog):
    def broken():
        raise RuntimeError("no model")

    monkeypatch.setattr(closed_answers, "_of_this_thread", threading.local())
    monkeypatch.setattr(closed_answers, "_Decoder", broken)
    assert (await Speech.offline(tmp_path)).closed is None
    assert "Second opinion not loaded; misheard answers are asked for again" in caplog.messages


async def test_a_second_opinion_leaves_a_worker_to_what_ends_a_turn(monkeypatch):
    began, may_end = [], threading.Event()

    def held(name):
        began.append(name)
        assert may_end.wait(10)
        return name

    monkeypatch.setattr(closed_answers, "_closest", lambda *asked: held("opinion"))
    finals = [asyncio.create_task(recognition_queue().final(lambda: held("words"))) for _ in range(RECOGNISERS - 1)]
    await asyncio.sleep(0.05)
    opinions = [asyncio.create_task(closest(silence(20), DAYS)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert began == ["words"] * (RECOGNISERS - 1), "the last worker is nobody's but theirs"
    finals.append(asyncio.create_task(recognition_queue().final(lambda: held("more words"))))
    await asyncio.sleep(0.05)
    assert began[-1] == "more words", "at once"
    may_end.set()
    assert await asyncio.gather(*opinions) == ["opinion"] * 2
    await asyncio.gather(*finals)


async def test_an_opinion_that_nobody_waits_for_any_more_is_never_formed(monkeypatch):
    asked, may_end = [], threading.Event()
    monkeypatch.setattr(closed_answers, "_closest", lambda *of: asked.append(of))
    finals = [
        asyncio.create_task(recognition_queue().final(lambda: str(may_end.wait(10)))) for _ in range(RECOGNISERS)
    ]
    await asyncio.sleep(0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await closest(silence(20), DAYS)
    may_end.set()
    await asyncio.gather(*finals)
    await asyncio.sleep(0.05)
    assert asked == []


def test_nothing_is_loaded_before_it_is_needed():
    loaded = (
        "import sys, outdial.speech.closed_answers as closed; closed.installed().recognition().feed(bytes(320));"
        "print(sorted({'pocketsphinx', 'sounddevice'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"


def test_a_missing_wheel_leaves_no_second_opinion_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(closed_answers, "PACKAGE", "pocketsphinx_that_is_not_there")
    assert installed() is None
    assert [record.message for record in caplog.records] == [
        "Second opinion unavailable; misheard answers are asked for again"
    ]
    assert "pip install" in caplog.records[0].problem
