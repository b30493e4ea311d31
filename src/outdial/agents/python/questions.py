"""A question of a python agent as a script of one step: so it is asked, misheard and asked again as in scripts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import yaml

from outdial.agents.python.definition import PythonAgent
from outdial.agents.script.actions import ActionParser
from outdial.agents.script.model import Ask, Script, Step
from outdial.agents.script.template import Text
from outdial.agents.script.tree import Fields, read_tree
from outdial.agents.script.typed import WORDS

SAVED = "answer_"  # under which its answer is noted until it is handed over, and what it was said in
SAVED_WORDS = f"{SAVED}{WORDS}"
STEP = "question"
_NO_BRACES = {ord("{"): None, ord("}"): None}  # which nobody says, and which are no variables here


def question_of(
    answers: Mapping[str, str | Iterable[str]],
    keys: Mapping[str, str] | None,
    type: str | None,
    read_back: bool | None,
    wait_s: float,
    language: str,
) -> Ask:
    """Raises ScriptError for what is no question."""
    given = tuple((name, (one,) if isinstance(one, str) else tuple(one)) for name, one in answers.items())
    return _parsed(given, tuple((keys or {}).items()), type, read_back, wait_s, language)


def single_question(agent: PythonAgent, question: str, ask: Ask) -> Script:
    """Its text is said as it is: braces in it are no variables."""
    asked = replace(ask, question=Text((" ".join(question.split()),)))
    return Script(
        name=agent.name,
        language=agent.language,
        variables={},
        machine=agent.machine,
        do_not_call=agent.do_not_call,
        anywhere=(),
        start=STEP,
        steps={STEP: Step(name=STEP, block=(asked,), line=1)},
        pronounce=agent.pronounce,
        hold_s=agent.hold_s,
    )


@lru_cache(maxsize=500)
def _parsed(
    answers: tuple[tuple[str, tuple[str, ...]], ...],
    keys: tuple[tuple[str, str], ...],
    type: str | None,
    read_back: bool | None,
    wait_s: float,
    language: str,
) -> Ask:
    listed: list[dict[str, Any]] = []
    for name, words in answers:
        digits = [key for key, meant in keys if meant == name]
        phrases = [word.translate(_NO_BRACES) for word in words]
        listed.append({"name": name, "words": phrases} | ({"digits": digits} if digits else {}))
    written: dict[str, Any] = {"ask": STEP, "save_as": SAVED, "wait_s": wait_s}
    if listed:
        written["answers"] = listed
    if type is not None:
        written["type"] = type
    if read_back is not None:
        written["read_back"] = read_back
    root = read_tree(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
    assert isinstance(root, Fields)
    ask = ActionParser(language).ask(root, ())
    # What nothing was understood of is the coroutine's to deal with; silence ends the call.
    return replace(ask, no_match=replace(ask.no_match, then=()))
