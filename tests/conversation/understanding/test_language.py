"""The files of languages, and what each has to have."""

import pytest

from conversation.understanding.asked import meaning_of, value_of
from outdial.conversation.understanding.language import is_known, known_languages, language_of
from outdial.conversation.understanding.meaning import Kind, Option, Question
from outdial.conversation.understanding.numbers import number_words
from outdial.conversation.understanding.phrase_book import PhraseBook

NEEDED = (
    "yes", "yes_firm", "yes_soft", "yes_alone", "no", "undecided", "neutral", "condition", "wait", "repeat",
    "repeat_alone",
    "question", "deceased", "wrong_number", "not_here", "do_not_call", "do_not_call_limit", "hello", "around_hello",
    "listening", "back", "open_phrase", "repair", "identity", "asks_who",
)  # fmt: skip


def test_a_language_is_found_by_its_tag_and_english_stands_in():
    assert known_languages() == ("de", "en", "es", "fr")
    assert language_of("de-AT") is language_of("DE")
    assert is_known("fr-CA")
    assert not is_known("fi")
    assert language_of("fi") is language_of("en")


@pytest.mark.parametrize("tag", ["en", "de", "es", "fr"])
def test_a_language_has_every_kind_of_phrase_and_text(tag):
    language, english = language_of(tag), language_of("en")
    assert [kind for kind in NEEDED if not language.data["phrases"].get(kind, "").strip()] == []
    assert language.texts.keys() == english.texts.keys()
    assert "{value}" in language.texts["read_back"]
    assert {1, 5, 10, 12, 21, 42, 70, 99} <= set(number_words(language).small.values())


@pytest.mark.parametrize("tag", known_languages())
def test_every_list_is_named_in_a_phrase(tag):
    data = language_of(tag).data
    lines = [*data["phrases"].values(), *data["recorded"].values(), *data["lists"].values()]
    assert [name for name in data["lists"] if not any(f"<{name}>" in line for line in lines)] == []


def test_a_text_keeps_its_accents_and_phrases_lose_theirs():
    assert language_of("de").texts["of_course"] == "Natürlich."
    assert meaning_of("naturlich", tag="de").kind is meaning_of("Natürlich!", tag="de").kind is Kind.YES


@pytest.mark.parametrize(
    ("tag", "said", "digits"),
    [
        ("de", "fünf fünf fünf null eins zwei drei", "5550123"), ("de", "einundzwanzig zweiundvierzig", "2142"),
        ("de", "meine Nummer ist null drei null, zwölf", "03012"), ("es", "cinco cinco cinco cero uno dos tres",
        "5550123"),
        ("es", "treinta y cinco", "35"), ("es", "mi número es el veintidós", "22"),
        ("fr", "zéro six douze trente quatre", "061234"), ("fr", "quatre-vingt-douze", "92"),
        ("fr", "mon numéro c'est le zéro un, soixante-quinze", "0175"), ("fr", "vingt et un", "21"),
    ],
)  # fmt: skip
def test_numbers_are_understood_in_every_language(tag, said, digits):
    question = Question(options=[Option(any_digits=True)])
    assert meaning_of(said, question, tag).value == digits


@pytest.mark.parametrize(
    ("tag", "of", "said", "value"),
    [
        ("de", "date", "am dritten März", "2027-03-03"), ("de", "date", "übermorgen", "2026-12-02"),
        ("de", "date", "nächsten Freitag", "2026-12-11"), ("de", "time", "halb drei", "14:30"),
        ("de", "time", "vierzehn Uhr dreißig", "14:30"), ("de", "amount", "zwanzig Euro fünfzig", "20.50"),
        ("de", "number(0..10)", "eine sieben", "7"), ("es", "date", "el tres de marzo", "2027-03-03"),
        ("es", "date", "pasado mañana", "2026-12-02"), ("es", "time", "las nueve de la mañana", "09:00"),
        ("es", "number", "ciento cinco", "105"), ("fr", "date", "le trois mars", "2027-03-03"),
        ("fr", "date", "demain", "2026-12-01"), ("fr", "time", "quatorze heures trente", "14:30"),
        ("fr", "time", "neuf heures du matin", "09:00"), ("fr", "email", "jean point dupont arobase exemple point fr",
        "jean.dupont@exemple.fr"), ("es", "email", "juan arroba ejemplo punto es", "juan@ejemplo.es"),
        ("de", "name", "mein Name ist Anna Schmidt", "Anna Schmidt"), ("fr", "yes_no", "bien sûr", "yes"),
    ],
)  # fmt: skip
def test_values_are_understood_in_every_language(tag, of, said, value):
    found = value_of(said, of, tag)
    assert found is not None
    assert str(found) == value


# -- the notation of phrases -----------------------------------------------------------------------------------


def book(**lines: str) -> PhraseBook:
    made = PhraseBook({"me": ["me", "us all"]}, lambda phrase: tuple(phrase.split()))
    for tag, line in lines.items():
        made.add(tag, [line])
    return made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("call [me] again", ["call again", "call me again"]),
        ("(call|ring) <me>", ["call me", "ring us all"]),
        ("what was the * again", ["what was the date again"]),
        ("a [b [c]] (d|[e] f)", ["a d", "a b d", "a b c e f"]),
    ],
)
def test_a_line_stands_for_everything_it_may_mean(line, said):
    for phrase in said:
        assert book(it=line).whole(tuple(phrase.split())) == {"it"}


@pytest.mark.parametrize("line", ["call (me", "call me)", "call <nobody>", "[call]", "call [me)"])
def test_a_line_that_means_nothing_is_refused(line):
    with pytest.raises(ValueError, match=r"close|list|nothing"):
        book(it=line)
