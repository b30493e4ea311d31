"""Values read back in the callee's language."""

import pytest

from outdial.conversation.understanding.answer_type import parse_type
from outdial.conversation.understanding.language import known_languages, language_of
from outdial.conversation.understanding.said_back import said_back


@pytest.mark.parametrize(
    ("tag", "of", "value", "said"),
    [
        ("en", "date", "2027-03-05", "2027-03-05"), ("en", "time", "14:30", "14:30"),
        ("en", "amount", "20.50", "20.50"),
        ("en", "number", 7.5, "7.5"), ("en", "phone", "+12025550177", "2 0 2, 5 5 5, 0 1 7 7"),
        ("de", "date", "2027-03-05", "Freitag, den fünften März 2027"),
        ("de", "date", "2026-12-31", "Donnerstag, den einunddreißigsten Dezember 2026"),
        ("de", "time", "14:30", "14 Uhr 30"), ("de", "time", "09:00", "9 Uhr"), ("de", "time", "00:05", "0 Uhr 5"),
        ("de", "amount", "20.50", "20,50"), ("de", "amount", "1500.00", "1500"), ("de", "number", 7.5, "7,5"),
        ("de", "number", 7, "7"), ("de", "digits", "80331", "8 0 3, 3 1"), ("de", "email", "a@b.de", "a@b.de"),
        ("fr", "date", "2027-03-05", "vendredi 5 mars 2027"), ("fr", "date", "2027-05-01", "samedi 1er mai 2027"),
        ("fr", "time", "14:30", "14 heures 30"), ("fr", "time", "01:00", "1 heure"), ("fr", "amount", "0.50", "0,50"),
        ("es", "date", "2027-03-05", "el viernes 5 de marzo de 2027"),
        ("es", "time", "14:30", "las dos y 30 de la tarde"), ("es", "time", "13:00", "la una de la tarde"),
        ("es", "time", "08:00", "las ocho de la mañana"), ("es", "time", "20:15", "las ocho y 15 de la noche"),
        ("es", "time", "00:00", "las doce de la noche"), ("es", "time", "12:00", "las doce del mediodía"),
        ("es", "amount", "12.50", "12,50"),
    ],
)  # fmt: skip
def test_a_value_is_said_as_people_say_it(tag, of, value, said):
    assert said_back(value, parse_type(of), language_of(tag)) == said


@pytest.mark.parametrize("tag", sorted({*known_languages()} - {"en"}))
def test_a_language_has_every_day_month_and_hour(tag):
    language = language_of(tag)
    assert len({said_back(f"2027-03-{day:02}", parse_type("date"), language) for day in range(1, 32)}) == 31
    assert len({said_back(f"2027-{month:02}-28", parse_type("date"), language) for month in range(1, 13)}) == 12
    assert len({said_back(f"{hour:02}:30", parse_type("time"), language) for hour in range(24)}) == 24
