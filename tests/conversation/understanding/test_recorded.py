"""What recordings say, and what only sounds like it. The phrases weren't written from these texts."""

from pathlib import Path

import pytest

from outdial.conversation.understanding.language import known_languages, language_of
from outdial.conversation.understanding.meaning import Kind, Option, Question
from outdial.conversation.understanding.recorded import KINDS, answering, sounds_recorded
from outdial.conversation.understanding.understand import understand

TABLE = Path(__file__).with_name("recorded.tsv")
YES_OR_NO = Question(text="Are you coming?", options=[Option(words=["yes"]), Option(words=["no"])])


def texts():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return [pytest.param(*row, id=f"{row[0]}: {row[2][:50]}") for row in rows]


@pytest.mark.parametrize(("tag", "who", "text"), texts())
def test_who_says_this(tag, who, text):
    language = language_of(tag)
    found = answering(language.utterance(text), language)
    assert (found or "person") == who


@pytest.mark.parametrize("tag", known_languages())
def test_every_language_knows_every_kind(tag):
    assert set(language_of(tag).data["recorded"]) == set(KINDS)
    found = {param.values[1] for param in texts() if param.values[0] == tag}
    assert found == {"machine", "screening", "menu", "network", "person"}


@pytest.mark.parametrize(
    "text", ["Hi, you've reached Tom.", "Sorry, I missed your call.", "At the tone,", "This call is being screened."]
)
def test_the_beginning_of_a_recording_sounds_like_one(text):
    english = language_of("en")
    assert sounds_recorded(english.utterance(text), english)


@pytest.mark.parametrize("text", ["Hello?", "This is Tom.", "Who is calling, please?", "Yes, speaking.", ""])
def test_a_person_does_not(text):
    english = language_of("en")
    assert not sounds_recorded(english.utterance(text), english)


@pytest.mark.parametrize(
    "text",
    [
        "Hi, this is Bob. I can't come to the phone right now, so please leave a message after the beep.",
        "No one is available to take your call. Please leave your name and number.",
        "If you record your name and the reason for calling, I'll see if this person is available.",
        "The number you have dialed is not in service.",  # whose recording this is, its next words tell
    ],
)
def test_a_recording_answers_no_question(text):
    assert understand(text, YES_OR_NO, language_of("en")).kind is Kind.RECORDING


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("de", "Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar."),
        ("es", "El número al que usted llama no está disponible."),
        ("fr", "Votre correspondant n'est pas disponible."),
    ],
)
def test_nor_does_one_in_another_language(tag, text):
    assert understand(text, YES_OR_NO, language_of(tag)).kind is Kind.RECORDING


@pytest.mark.parametrize("text", ["No, I'm not available on Friday.", "The person isn't here.", "I'm not available."])
def test_who_is_not_available_answers(text):
    assert understand(text, YES_OR_NO, language_of("en")).kind is not Kind.RECORDING


def test_an_author_may_wait_for_a_recordings_words():
    question = Question(options=[Option(words=["yes"]), Option(words=["after the tone"])])
    meaning = understand("I can't take your call. Leave a message after the tone.", question, language_of("en"))
    assert (meaning.kind, meaning.option) == (Kind.OPTION, 1)


def test_a_recording_is_no_free_answer():
    question = Question(options=[Option(any_words=True)])
    meaning = understand("I can't take your call. Leave a message after the tone.", question, language_of("en"))
    assert (meaning.kind, meaning.option) == (Kind.RECORDING, None)
