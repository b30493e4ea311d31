"""Whether the dot of an abbreviation is the end of its sentence, too."""

import re

# With what a sentence begins that no name does.
_BEGINNINGS = (
    "He|She|It|We|You|They|I|The|This|That|These|Please|If|Our|Your|My|His|Her|Their|And|But|So|Can|Could|Would|Will|Do|"
    "Does|Did|Is|Are|Was|There|To|For|From|Call|Press|Thanks?|In|On|At|When|What|Where|Who|How|Why|Not|No|Yes|Bring|Just"
)
BEGINS = rf"(?:{_BEGINNINGS})\b"
_NEW = re.compile(r"\s+[\"'(]?[A-Z\d]")
_SURELY_NEW = re.compile(rf"\s+[\"'(]?{BEGINS}")


def full_stop(found: re.Match[str], *, before_names: bool = False) -> str:
    """ "." where what was found ends its sentence: at the end of the text, or where something new begins. Names often
    follow some abbreviations (`before_names`); then only a word that no name is begins anew."""
    if not found[0].endswith("."):
        return ""
    rest = found.string[found.end() :]
    begins = _SURELY_NEW if before_names else _NEW
    return "." if not rest.strip() or begins.match(rest) else ""
