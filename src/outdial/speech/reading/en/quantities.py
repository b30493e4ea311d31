"""Everything that is only a number, in English: quantities, ranges, fractions, ordinals, years; and signs alone."""

import re

from outdial.speech.reading.en.numbers import cardinal, decimal, grouped, in_pairs, ordinal, pair, year
from outdial.speech.reading.rule import Rule, rule

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}
_PARTS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
# What comes after a number that counts something: "12500 people".
_COUNTED = r" (?:people|children|men|women|feet|[a-z]{3,}s\b(?<!ss))"


def _fraction(found: re.Match[str]) -> str:
    above, below = int(found["above"]), int(found["below"])
    whole = f"{cardinal(found['whole'])} and " if found["whole"] else ""
    if above == below and above > 9:
        return f"{cardinal(found['above'])}-{cardinal(found['below'])}"
    if below < 2 or above >= below or (below > 10 and (below not in (12, 16, 32, 64, 100) or above % 2 == 0)):
        between = "over" if above > below > 10 else "out of"
        return f"{whole}{cardinal(found['above'])} {between} {cardinal(found['below'])}" if below > 1 else found[0]
    if above == 1 and below == 2:
        return f"{whole}a half" if whole else "one half"
    one, several = _PARTS.get(below) or (ordinal(str(below)), f"{ordinal(str(below))}s")
    if above == 1:
        return f"{whole}{'a' if whole else 'one'} {one}"
    return f"{whole}{cardinal(str(above))} {several}"


def _vulgar(found: re.Match[str]) -> str:
    return f"{found[1]} {_VULGAR[found[2]]}".strip()


def _out_of(found: re.Match[str]) -> str:
    return f"{decimal(found[1])} out of {cardinal(found[2])}"


def _counted(found: re.Match[str]) -> str:
    return bare(found[1]) if len(found[1]) == 4 else cardinal(found[1])


def _range(found: re.Match[str]) -> str:
    return f"{(found['minus'] and 'minus ') or ''}{_one(found['first'])} to {_one(found['last'])}"


def _one(written: str) -> str:
    return decimal(written) if "." in written or "," in written else bare(written)


def bare(written: str) -> str:
    """Digits with nothing to say what they are. Four may be a year; five and more without a comma are a code, unless
    they are round."""
    if written[0] == "0" and len(written) > 1:
        return grouped(written)
    if len(written) == 4 and re.match(r"1[1-9]|20", written):
        return year(written)
    if len(written) < 5 or written.endswith("000"):
        return cardinal(written)
    return grouped(written)


def _bare(found: re.Match[str]) -> str:
    minus = "minus " if found["minus"] else ""
    return minus + bare(found["number"])


QUANTITY_RULES: tuple[Rule, ...] = (
    rule(f"(\\d?)([{''.join(_VULGAR)}])", _vulgar, sign="".join(_VULGAR)),
    rule(r"(?<![\w.,/-])9/11(?![\w/]|[.,]\d)", "nine eleven", sign="/"),
    rule(r"(?<![\w.,/-])(\d+\.\d+)/(\d+)(?![\w/]|[.,]\d)", _out_of, sign="/"),
    rule(r"(?<=\d)\s?\*\s?(?=\d)", " times ", sign="*"),
    rule(r"(?<=\d)\^(?=\d)", " to the power of ", sign="^"),
    rule(r"(?<![\w.,:])(\d+):(?=\d+-\d)", r"\1 ", sign=":"),
    rule(r"(?<![\w.,/-])(\d+)/(\d+)(?= stars?| points?| rating)", _out_of, sign="/"),
    rule(
        r"(?<![\w.,/-])(?:(?P<whole>\d+)[ -])?(?P<above>\d{1,3})/(?P<below>\d{1,3})(?![\w/]|[.,]\d)",
        _fraction,
        sign="/",
    ),
    rule(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", lambda found: ordinal(found[1].replace(",", ""))),
    rule(rf"(?<![\w.,/-])(?P<minus>-)?(?P<first>{_NUMBER})\s?-\s?(?P<last>{_NUMBER})(?!\w|-\d)", _range),
    rule(r"\bNos?\. ?(?=\d)", "number ", sign="N"),
    rule(r"#\s?(\d{3})\b(?![.,]\d)", lambda found: f"number {in_pairs(found[1])}", sign="#"),
    rule(r"#\s?(?=\d)", "number ", sign="#"),
    rule(r"(?<=\d)\s?\+(?!\w)", " plus", sign="+"),
    rule(r"[~≈]\s?(?=\w)", "about ", sign="~≈"),
    rule(r"(?<![\w)])-(?=\d)", "minus "),
    rule(rf"(?<![\w.,])(\d+)(?={_COUNTED})", _counted),
    rule(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\w)", lambda found: decimal(found[0])),
    rule(r"(?<!\w)(?:\d+)?\.\d+(?!\w|\.\d)", lambda found: decimal(found[0])),
    rule(r"(?<![\w.,:])(\d+):(\d+)(?![\w:])", lambda found: f"{bare(found[1])} to {bare(found[2])}", sign=":"),
    rule(r"(?<!\w)'(\d\d)(?!\w)", lambda found: pair(found[1]), sign="'"),
    rule(r"(?<=\d),(?=\d)", ", ", sign=","),
    rule(r"(?P<minus>)(?P<number>\d+)", _bare),
)

SIGN_RULES: tuple[Rule, ...] = (
    rule(r"\s?&\s?", " and ", sign="&"),
    rule(r"(?<=\w)\s?=\s?(?=\w)", " equals ", sign="="),
    rule(r"(?<=\w)\s\+\s?(?=\w)", " plus ", sign="+"),
    rule(r"(?<![\w#])#(?![\w#])", "pound", sign="#"),
    rule(r"(?<![\w*])\*(?![\w*])", "star", sign="*"),
    rule(r"\band/or\b", "and or", sign="/"),
    rule(r"(?<![\w/.])([A-Za-z][a-z]+)/([a-z]{2,})(?![\w/])", r"\1 or \2", sign="/"),
    rule(r"(?<=\w)\s@\s(?=\w)", " at ", sign="@"),
    rule(r"\s-{1,2}\s", ", ", sign="-"),
    rule(r"\"+", "", sign='"'),
    rule(r"[*_~^|<>\\]+", " ", sign="*_~^|<>\\"),
)

