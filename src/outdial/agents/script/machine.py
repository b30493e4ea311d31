"""The section `machine` of an agent: what is done when a voicemail or a service before the callee answers."""

import re
from enum import StrEnum
from typing import TypeVar

from outdial.agents.script.actions import ActionParser
from outdial.agents.script.expect import choice, fields, plain
from outdial.agents.script.model import AtScreening, Machine, MachineAction, ScriptError
from outdial.agents.script.tree import Fields, Node

KEYS = ("action", "message", "screening", "reason", "press")
MAX_PHRASES = 20
MAX_PHRASE = 100
DIGITS = r"[0-9*#wW,]{1,32}"

W = TypeVar("W", bound=StrEnum)


class MachineParser:
    """Raises ScriptError for the first fault."""

    def __init__(self, actions: ActionParser) -> None:
        self._actions = actions

    def machine(self, node: Node) -> Machine:
        section = fields(node, "machine", KEYS)
        if not section.nodes.keys() & {"action", "screening", "reason", "press"}:
            raise ScriptError(f"machine needs an action: {choice(MachineAction)}", node.line)
        action = _word(section, "action", MachineAction.HANG_UP)
        message, message_line = self._text(section, "message")
        if message is None and action is MachineAction.LEAVE_MESSAGE:
            raise ScriptError("leave_message needs a message", node.line)
        screening = _word(section, "screening", AtScreening.SAY)
        reason, reason_line = self._text(section, "reason")
        if reason is not None and screening is AtScreening.HANG_UP:
            raise ScriptError("who hangs up on a screening service gives it no reason", reason_line)
        return Machine(
            action=action,
            message=message,
            line=message_line,
            screening=screening,
            reason=reason,
            reason_line=reason_line,
            press=_keys(section.nodes.get("press")),
        )

    def _text(self, section: Fields, name: str) -> tuple[str | None, int]:
        node = section.nodes.get(name)
        if node is None:
            return None, 0
        self._actions.text(node, name)
        return " ".join(plain(node, name).split()), node.line


def _word(section: Fields, name: str, default: W) -> W:
    node = section.nodes.get(name)
    if node is None:
        return default
    words, word = type(default), plain(node, name)
    if word not in list(words):
        raise ScriptError(f"{name} is {choice(words)}, not '{word[:60]}'", node.line)
    return words(word)


def _keys(node: Node | None) -> tuple[tuple[str, str], ...]:
    """Phrases of a menu, and the keys pressed for each."""
    if node is None:
        return ()
    named = fields(node, "press")
    if not 1 <= len(named.nodes) <= MAX_PHRASES:
        raise ScriptError(f"press takes 1 to {MAX_PHRASES} phrases, each with its keys", node.line)
    found = []
    for phrase, keys in named.nodes.items():
        line, digits = named.lines[phrase], plain(keys, f"the keys for '{phrase[:60]}'")
        if len(phrase) > MAX_PHRASE or not any(character.isalpha() for character in phrase):
            raise ScriptError(f"press takes words that a menu says, of at most {MAX_PHRASE} characters", line)
        if not re.fullmatch(DIGITS, digits):
            raise ScriptError("press takes keys: 0-9, *, # and w (waits half a second)", line)
        found.append((" ".join(phrase.split()), digits))
    return tuple(found)
