"""Money as people say it: "twenty dollars and fifty cents", "$20.50", "a hundred bucks". Pure."""

from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import Spoken, number_words, spoken_numbers
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.reading import is_taken_back
from outdial.conversation.understanding.utterance import CURRENCIES, Utterance

CENT = Decimal("0.01")
MOST = Decimal(10) ** 12


class MoneyWords:
    """From the section [money] of a language's file."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("money", {})
        self.whole = frozenset(data.get("whole", ())) | CURRENCIES
        self.cents = frozenset(data.get("cents", ()))
        self.joins = frozenset(data.get("joins", ()))
        self.before_cents = frozenset(data.get("before_cents", ()))  # joins that nothing but cents stand behind


@cache
def money_words(language: Language) -> MoneyWords:
    return MoneyWords(language)


def amount_in(said: Utterance, language: Language) -> str | None:
    """With two decimals; None when no one amount was meant."""
    amounts: list[Decimal] = []
    found = spoken_numbers(said, language)
    place = 0
    while place < len(found):
        amount, used = _amount(said, found[place:], language)
        if not is_taken_back(said, found[place].start, language):
            amounts.append(amount)
        elif used > 1 and said.clauses[found[place].start] != said.clauses[found[place + 1].start]:
            used = 1  # "not twenty, thirty"
        place += used
    corrected = _is_corrected(said, language)
    if not amounts or (len(set(amounts)) > 1 and not corrected):
        return None
    amount = amounts[-1]
    return str(amount.quantize(CENT, ROUND_HALF_UP)) if 0 <= amount < MOST else None


def _amount(said: Utterance, found: list[Spoken], language: Language) -> tuple[Decimal, int]:
    """The first amount of these numbers, and how many of them it takes."""
    words, first, money = said.words, found[0], money_words(language)
    unit = words[first.end] if first.end < len(words) else ""
    if unit in money.cents:
        return first.value / 100, 1
    if unit in money.whole and (part := _part_behind(words, first.end + 1, language)):
        return first.value + part, 1
    named = unit in money.whole or (first.start > 0 and words[first.start - 1] in CURRENCIES)
    if len(found) < 2:
        return first.value, 1
    second = found[1]
    joined = words[first.end : second.start]
    between = [word for word in joined if word not in money.joins | money.whole]
    adjacent = not joined or not money.before_cents.isdisjoint(joined)
    cents = second.end < len(words) and words[second.end] in money.cents
    # "Twenty fifty" and "twenty dollars fifty", too; "twenty dollars or thirty" are two amounts.
    is_part = 0 <= second.value < 100 and second.value == int(second.value) and not between
    if is_part and (cents or (second.value >= 10 and (named or adjacent))):
        return first.value + second.value / 100, 2
    return first.value, 1


def _part_behind(words: Words, place: int, language: Language) -> Decimal | None:
    """ "Trois euros et demi"."""
    fractions = number_words(language).fractions
    return next((part for phrase, part in fractions.items() if words[place : place + len(phrase)] == phrase), None)


def _is_corrected(said: Utterance, language: Language) -> bool:
    return next(language.in_place["repair"].find(said.words), None) is not None
