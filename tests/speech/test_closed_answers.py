"""The closed recogniser, on what the offline voice says over a telephone line."""

import asyncio
import subprocess
import sys
import threading

import pytest

from outdial.media.frames import silence
from outdial.speech import closed_answers
from outdial.speech.closed_answers import ClosedAnswers, available, installed
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
     ("Eight.", RATING, "Hate.", 7), ("Thursday, please.", DAYS, "Firstly, please.", 0)],
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
    stop = threading.Event()
    stop.set()
    pcm = over_the_phone(asyncio.run(spoken("Thursday.")))
    assert closed_answers._closest(pcm, DAYS, "Thirsty.", stop) is None


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
