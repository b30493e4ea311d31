"""Words that an agent's voice says wrong, and how they are said: `pronounce:` in a script."""

from outdial.agents.script.expect import fields, plain
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Node

MAX_WORDS = 500
MAX_CHARS = 100  # of a word, and of how it is said


def pronunciations(node: Node | None) -> dict[str, str]:
    """Word and how it is said, as written. Raises ScriptError."""
    if node is None:
        return {}
    named = fields(node, "pronounce")
    if len(named.nodes) > MAX_WORDS:
        raise ScriptError(f"more than {MAX_WORDS} words to pronounce", node.line)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for word, said in named.nodes.items():
        line = named.lines[word]
        how = " ".join(plain(said, f"how '{word[:60]}' is said").split())
        for text in (word, how):
            if len(text) > MAX_CHARS:
                raise ScriptError(f"pronounce takes words of at most {MAX_CHARS} characters", line)
            if "{" in text or "}" in text:
                raise ScriptError("pronounce takes plain words: what a {variable} holds is looked up in it, too", line)
            if not any(character.isalnum() for character in text):
                raise ScriptError("a word to pronounce, and how it is said, need a letter or a digit", line)
        key = " ".join(word.split())
        if (first := lines.setdefault(key.casefold(), line)) != line:
            raise ScriptError(f"'{word[:60]}' is already pronounced on line {first}: case doesn't count", line)
        found[key] = how
    return found
