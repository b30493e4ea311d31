"""Questions that replies are understood as answers to."""

from datetime import date

from outdial.conversation.understanding.answer_type import parse_type
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Kind, Meaning, Option, Question
from outdial.conversation.understanding.understand import understand

ENGLISH = language_of("en-US")
MONDAY = date(2026, 11, 30)
COUNTRIES = {"en": "US", "de": "DE", "es": "ES", "fr": "FR"}  # of who speaks a language here

YES_OR_NO = (Option(words=["yes"], digits=["1"]), Option(words=["no"], digits=["2"]))
DOES_IT_WORK = Question(text="Does that time still work for you?", options=YES_OR_NO, today=MONDAY)
WHO = Question(text="Am I speaking with Jane?", options=YES_OR_NO, today=MONDAY)


def meaning_of(said: str, question: Question = DOES_IT_WORK, tag: str = "en") -> Meaning:
    return understand(said, question, language_of(tag))


def value_of(said: str, of: str, tag: str = "en") -> object:
    """The value of a type that `said` holds, on a Monday, in the language's country; None for none."""
    meaning = meaning_of(said, Question(type=parse_type(of), today=MONDAY, country=COUNTRIES[tag]), tag)
    return meaning.value if meaning.kind is Kind.VALUE else None
