"""Money as people say it: "twenty dollars and fifty cents", "$20.50", "a hundred bucks". Pure."""

from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import Spoken, spoken_numbers
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


@cache
def money_words(language: Language) -> MoneyWords:
    return MoneyWords(language)


def amount_in(said: Utterance, language: Language) -> str | None:
    """With two decimals; None when no one amount was meant."""
    money = money_words(language)
    amounts: list[Decimal] = []
    found = spoken_numbers(said, language)
    place = 0
    while place < len(found):
        amount, used = _amount(said, found[place:], money)
        if not _is_denied(said, found[place], language):
            amounts.append(amount)
        place += used
    corrected = _is_corrected(said, language)
    if not amounts or (len(set(amounts)) > 1 and not corrected):
        return None
    amount = amounts[-1]
    return str(amount.quantize(CENT, ROUND_HALF_UP)) if 0 <= amount < MOST else None


def _amount(said: Utterance, found: list[Spoken], money: MoneyWords) -> tuple[Decimal, int]:
    """The first amount of these numbers, and how many of them it takes."""
    words, first = said.words, found[0]
    unit = words[first.end] if first.end < len(words) else ""
    if unit in money.cents:
        return first.value / 100, 1
    named = unit in money.whole or (first.start > 0 and words[first.start - 1] in CURRENCIES)
    if len(found) < 2:
        return first.value, 1
    second = found[1]
    between = [word for word in words[first.end : second.start] if word not in money.joins | money.whole]
    cents = second.end < len(words) and words[second.end] in money.cents
    # "Twenty fifty" and "twenty dollars fifty", too; "twenty dollars or thirty" are two amounts.
    is_part = 0 <= second.value < 100 and second.value == int(second.value) and not between
    if is_part and (cents or (second.value >= 10 and (named or second.start == first.end))):
        return first.value + second.value / 100, 2
    return first.value, 1


def _is_denied(said: Utterance, one: Spoken, language: Language) -> bool:
    return one.start > 0 and said.words[one.start - 1] in language.denials


def _is_corrected(said: Utterance, language: Language) -> bool:
    return next(language.in_place["repair"].find(said.words), None) is not None
