"""The sections `voice` and `recognition` of an agent: a vendor's, or a short text such as `deepgram/nova-3`."""

from collections.abc import Mapping
from typing import TypeVar

from outdial.agents.script.expect import choice, fields, listed, plain, suggestion, whole, yes_or_no
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Fields, Node, Scalar
from outdial.speech.choice import OptionValue, RecognitionChoice, SpeechChoice, VoiceChoice
from outdial.speech.vendor import Option, OptionKind, Recogniser, Synthesiser, Vendor
from outdial.speech.vendors import VENDORS

VOICE, RECOGNITION = "voice", "recognition"
VOICE_KEYS = ("vendor", "voice", "model", "options")
RECOGNITION_KEYS = ("vendor", "model", "options")
SPEECH_KEYS = tuple(dict.fromkeys((VOICE, RECOGNITION, *VOICE_KEYS, *RECOGNITION_KEYS)))
MOST_TEXTS, MOST_CHARS = 100, 200  # in a list of an option, and of each text

Part = TypeVar("Part", Recogniser, Synthesiser)


def speech_choice(agent: Fields) -> SpeechChoice:
    """Of the section `agent`. Raises ScriptError."""
    voice, recognition = agent.nodes.get(VOICE), agent.nodes.get(RECOGNITION)
    return SpeechChoice(
        voice=None if voice is None else _voice(voice),
        recognition=None if recognition is None else _recognition(recognition),
    )


def short_voice(written: str) -> VoiceChoice:
    """Of `vendor/voice`. Raises ScriptError."""
    return _voice(Scalar(written, True, 1))


def _recognition(node: Node) -> RecognitionChoice:
    written = _short(node, RECOGNITION, "model") if isinstance(node, Scalar) else node
    section = fields(written, RECOGNITION, RECOGNITION_KEYS)
    vendor = _vendor(section, RECOGNITION)
    known = _able(vendor, vendor.recogniser, RECOGNITION, section.line)
    if "model" not in section.nodes:
        raise ScriptError(f"{RECOGNITION} needs a model: {choice(known.models)}", section.line)
    model = _word(section.nodes["model"], "model")
    return RecognitionChoice(
        vendor=vendor.name,
        model=model,
        options=_options(section.nodes.get("options"), vendor, known.options, model),
        line=node.line,
    )


def _voice(node: Node) -> VoiceChoice:
    written = _short(node, VOICE, "voice") if isinstance(node, Scalar) else node
    section = fields(written, VOICE, VOICE_KEYS)
    vendor = _vendor(section, VOICE)
    known = _able(vendor, vendor.synthesiser, VOICE, section.line)
    if "voice" not in section.nodes:
        raise ScriptError(f"{VOICE} needs the vendor's name or id of a voice: voice", section.line)
    model = section.nodes.get("model")
    if model is not None and known.voice_is_model:
        raise ScriptError(f"voices of {vendor.title} are models: leave the model out", model.line)
    named = "" if model is None else _word(model, "model")
    return VoiceChoice(
        vendor=vendor.name,
        voice=_word(section.nodes["voice"], "voice"),
        model=named,
        options=_options(section.nodes.get("options"), vendor, known.options, named),
        line=node.line,
    )


def _short(node: Scalar, what: str, rest: str) -> Fields:
    """`vendor/…` as the section it stands for."""
    vendor, slash, named = plain(node, what).strip().partition("/")
    nodes: dict[str, Node] = {"vendor": Scalar(vendor, True, node.line)}
    if slash:
        nodes[rest] = Scalar(named, True, node.line)
    return Fields(node.line, nodes, dict.fromkeys(nodes, node.line))


def _vendor(section: Fields, what: str) -> Vendor:
    if "vendor" not in section.nodes:
        raise ScriptError(f"{what} needs a vendor: {_names(what)}", section.line)
    node = section.nodes["vendor"]
    named = plain(node, "vendor").strip()
    if named not in VENDORS:
        hint = suggestion(named, VENDORS) or f"; known: {_names(what)}"
        raise ScriptError(f"'{named[:60]}' is no vendor of speech{hint}", node.line)
    return VENDORS[named]


def _able(vendor: Vendor, part: Part | None, what: str, line: int) -> Part:
    if part is None:
        raise ScriptError(f"{vendor.title} has no {what} here: {_names(what)} has", line)
    return part


def _names(what: str) -> str:
    able = [
        one.name
        for one in VENDORS.values()
        if (one.recogniser if what == RECOGNITION else one.synthesiser) is not None
    ]
    return choice(able) if len(able) > 1 else "".join(able) or "none yet"


def _word(node: Node, what: str) -> str:
    """The name of something of the vendor's: it becomes a part of a URL or a request."""
    word = plain(node, what).strip()
    if len(word) > MOST_CHARS or not word.isprintable():
        raise ScriptError(f"{what} is a name of at most {MOST_CHARS} characters", node.line)
    return word


def _options(
    node: Node | None, vendor: Vendor, known: Mapping[str, Option], model: str
) -> dict[str, OptionValue]:
    if node is None:
        return {}
    section = fields(node, f"the options of {vendor.title}", known)
    for key in section.nodes:
        if not model.startswith(known[key].models):
            raise ScriptError(f"'{key}' is for models {known[key].models}… of {vendor.title}", section.lines[key])
    chosen = {key: _option(value, key, known[key]) for key, value in section.nodes.items()}
    for key, value in chosen.items():
        if (not_above := known[key].not_above) is not None:
            _keep_below(key, value, chosen.get(not_above[0]), not_above, section.lines[key])
    return chosen


def _keep_below(
    key: str, value: OptionValue, other: OptionValue | None, not_above: tuple[str, float], line: int
) -> None:
    named, usual = not_above
    most, by_itself = (usual, " by itself") if other is None else (other, "")
    if isinstance(value, float) and isinstance(most, float) and value > most:
        raise ScriptError(f"{key} is at most {named}, which is {most:g}{by_itself}", line)


def _number(node: Node, key: str, option: Option) -> float:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not option.least <= value <= option.most:
        raise ScriptError(f"{key} is a number from {option.least:g} to {option.most:g}", node.line)
    return float(value)


def _option(node: Node, key: str, option: Option) -> OptionValue:
    match option.kind:
        case OptionKind.FLAG:
            return yes_or_no(node, key)
        case OptionKind.WHOLE:
            return whole(node, key, int(option.least), int(option.most))
        case OptionKind.NUMBER:
            return _number(node, key, option)
        case OptionKind.TEXTS:
            texts = listed(node, key)
            if len(texts) > MOST_TEXTS:
                raise ScriptError(f"{key} are at most {MOST_TEXTS}", node.line)
            return tuple(_word(one, key) for one in texts)
        case OptionKind.TEXT:
            word = _word(node, key)
            if option.one_of and word not in option.one_of:
                raise ScriptError(f"{key} is {choice(option.one_of)}, not '{word[:60]}'", node.line)
            return word
