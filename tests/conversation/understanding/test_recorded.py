"""What recordings say, and what only sounds like it. The phrases weren't written from these texts."""

from pathlib import Path

import pytest

from outdial.conversation.understanding.language import known_languages, language_of, listed
from outdial.conversation.understanding.meaning import Kind, Option, Question
from outdial.conversation.understanding.recorded import (
    ASKS_NAME,
    ASKS_WHY,
    FULL,
    INSTRUCTS,
    KINDS,
    LIVE,
    LIVE_ASKED,
    answering,
    cues,
    is_surely_screening,
    sounds_recorded,
)
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
    assert set(language_of(tag).data["recorded"]) == {*KINDS, LIVE_ASKED}
    found = {param.values[1] for param in texts() if param.values[0] == tag}
    assert found == {"machine", "screening", "menu", "network", "person"}


def kinds(tag, text):
    language = language_of(tag)
    return cues(language.utterance(text), language).keys()


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "When you have finished recording, you may hang up, or press 1 for more options."),
        ("en", "To review your message, press two. When done recording, simply hang up."),
        ("de", "Nach der Aufnahme können Sie einfach auflegen."),
        ("de", "Um die Nachricht zu löschen, drücken Sie die zwei."),
        ("fr", "Une fois terminé, vous pouvez raccrocher."),
        ("fr", "Pour réécouter votre message, tapez un."),
        ("es", "Cuando termine de grabar, puede colgar."),
        ("es", "Para volver a grabar su mensaje, marque dos."),
    ],
)
def test_what_to_do_with_a_message_says_that_one_is_taken(tag, text):
    assert INSTRUCTS in kinds(tag, text)
    assert FULL not in kinds(tag, text)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "The mailbox is full."),
        ("en", "The person you called has a voicemail that has not been set up yet."),
        ("de", "Die Mailbox ist voll."),
        ("de", "Der Teilnehmer hat seine Mailbox noch nicht eingerichtet."),
        ("fr", "La messagerie de votre correspondant est saturée."),
        ("fr", "Votre correspondant n'a pas initialisé sa messagerie."),
        ("es", "La casilla está llena."),
        ("es", "El cliente no ha configurado su buzón de voz."),
    ],
)
def test_a_mailbox_that_takes_none_says_so(tag, text):
    assert FULL in kinds(tag, text)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("de", "Unsere Sprechstunde ist voll, hinterlassen Sie eine Nachricht."),
        ("fr", "La salle est pleine, laissez un message."),
        ("es", "La agenda está llena, deje un mensaje."),
    ],
)
def test_what_else_is_full_is_no_mailbox(tag, text):
    assert FULL not in kinds(tag, text)


@pytest.mark.parametrize(
    ("tag", "asked", "told"),
    [
        ("de", "Möchten Sie eine Nachricht hinterlassen?", "Möchten Sie eine Nachricht hinterlassen, sprechen Sie."),
        ("de", "Können Sie später anrufen?", "Sie können nach dem Ton sprechen."),
        ("fr", "Vous voulez laisser un message ?", "Si vous voulez laisser un message, parlez."),
        ("fr", "Vous pouvez me rappeler ?", "Vous pouvez laisser un message."),
        ("es", "¿Quiere dejar un mensaje?", "Si quiere dejar un mensaje, hable."),
        ("es", "¿Dígame?", "Diga su nombre."),
        ("es", "¿Puede llamar más tarde?", "Puede dejar un mensaje."),
    ],
)
def test_who_asks_is_there_and_who_only_tells_may_be_a_tape(tag, asked, told):
    assert LIVE in kinds(tag, asked)
    assert LIVE not in kinds(tag, told)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("de", "Ich bin im Moment nicht erreichbar."),
        ("de", "Der Teilnehmer ruft Sie zurück."),
        ("fr", "Il vous suffit de parler après le bip."),
        ("es", "Espere la señal."),
        ("es", "El no disponible."),  # an accent that isn't written makes no "he" of it
    ],
)
def test_a_common_word_makes_no_person(tag, text):
    assert LIVE not in kinds(tag, text)


@pytest.mark.parametrize("tag", known_languages())
def test_no_phrase_asks_for_a_name_and_for_a_reason(tag):
    written = language_of(tag).data["recorded"]
    assert not set(listed(written[ASKS_NAME])) & set(listed(written[ASKS_WHY]))


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "This call is being screened. Please say your name."),
        ("en", "Please say your name and why you're calling, and I'll see if she is available."),
        ("de", "Dieser Anruf wird gefiltert. Nennen Sie Ihren Namen."),
        ("fr", "Cet appel est filtré. Dites votre nom."),
        ("es", "Esta llamada está siendo filtrada. Diga su nombre."),
    ],
)
def test_a_screening_service_that_says_so_is_one_for_certain(tag, text):
    language = language_of(tag)
    assert is_surely_screening(language.utterance(text), language)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "Please state your name and the reason for your call."),  # whoever says it
        ("en", "May I ask who's calling and what it's regarding? I'll see if she's available."),
        ("en", "This call is being screened."),
        ("de", "Darf ich fragen, worum es geht? Ich schaue, ob er da ist."),
    ],
)
def test_who_only_asks_is_none_for_certain(tag, text):
    language = language_of(tag)
    assert not is_surely_screening(language.utterance(text), language)


def test_the_network_says_twice_what_is_wrong_and_not_once_with_overlapping_phrases():
    assert kinds("en", "Hang up and try again later.") == {"no_line"}
    english = language_of("en")
    assert answering(english.utterance("Hang up and try again later."), english) is None


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


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("de", "Ja, ich bin Ihr Gesprächspartner."),
        ("fr", "Oui, c'est moi votre interlocuteur."),
        ("es", "Sí, soy el cliente."),
        ("es", "Sí, el usuario soy yo."),
    ],
)
def test_who_speaks_of_itself_as_carriers_speak_of_callees_answers(tag, text):
    assert understand(text, YES_OR_NO, language_of(tag)).kind is not Kind.RECORDING


def test_an_author_may_wait_for_a_recordings_words():
    question = Question(options=[Option(words=["yes"]), Option(words=["after the tone"])])
    meaning = understand("I can't take your call. Leave a message after the tone.", question, language_of("en"))
    assert (meaning.kind, meaning.option) == (Kind.OPTION, 1)


def test_a_recording_is_no_free_answer():
    question = Question(options=[Option(any_words=True)])
    meaning = understand("I can't take your call. Leave a message after the tone.", question, language_of("en"))
    assert (meaning.kind, meaning.option) == (Kind.RECORDING, None)
