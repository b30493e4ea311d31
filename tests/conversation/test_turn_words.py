from outdial.conversation.turn_words import NOTHING, Asked


def test_only_who_knows_the_answers_says_that_words_are_one():
    days = Asked(is_answer=lambda text: "friday" in text.casefold())
    assert days.is_answered_by("Let me see, maybe on Friday.")
    assert not days.is_answered_by("Let me see.")
    assert not NOTHING.is_answered_by("Friday.")
