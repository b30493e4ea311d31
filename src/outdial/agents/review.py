"""An agent looked at while it is written: what is wrong with it, what it says, which variables that needs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from outdial.agents.kinds import KINDS, OPERATORS, ParsedAgent, is_code, kind_of
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.own_speech import missing_keys
from outdial.agents.script.model import ScriptError, ScriptWarning
from outdial.agents.script.outline import Does, Outline, Way
from outdial.agents.script.parse import DEFAULT_LANGUAGE
from outdial.agents.script.prompts import Prompt
from outdial.agents.script.template import Text, lookup
from outdial.agents.script.tree import Node, read_tree
from outdial.agents.script.warm_texts import WarmTexts
from outdial.agents.secret_use import unknown_secrets
from outdial.agents.speech_languages import misplaced
from outdial.agents.tools.definition import OwnTools
from outdial.agents.tools.views import ToolView, out_of_reach, tool_views
from outdial.agents.word_for_word import has_words, says
from outdial.conversation.warm import IfNotPossible
from outdial.net.addresses import Allowed
from outdial.net.urls import check_url
from outdial.speech.choice import SpeechChoice
from outdial.telephony.e164 import normal_e164

NOT_TO_CALLEES = ("message", "reason", "brief")  # but to machines and services, and to who is asked before a transfer


class Remark(TypedDict):
    """`line` counts from 1; null when it is about the script as a whole."""

    line: int | None
    message: str


class PromptView(TypedDict):
    """Something the agent says. `step` is the step's name, or `machine`, `do_not_call`, `anywhere`; `verb` is say, ask,
    reprompt, hang_up or message; `variables` are the names in `text`."""

    step: str
    verb: str
    line: int
    text: str
    variables: list[str]


class WayView(TypedDict):
    """A way out of a step. `on` is what it takes, from the outside to the inside: answers, exits, branches; `step` is
    where a `goto` leads, null of the other ways."""

    on: list[str]
    does: Does
    step: str | None
    line: int


class StepView(TypedDict):
    """`reached`: whether a call can come here."""

    name: str
    line: int
    reached: bool
    ways: list[WayView]


class OutlineView(TypedDict):
    """`start` is the step that calls begin with, null where there is none; `anywhere`: ways out of every question."""

    start: str | None
    anywhere: list[WayView]
    steps: list[StepView]


class Review(TypedDict):
    """`errors` has the first fault, which keeps the source from being saved; then there are no prompts. `variables`
    has the default of each variable that a prompt names, null where it has none; `language` and `pronounce` are how the
    prompts are read. `outline` is null where the text isn't YAML; other faults leave it as whole as it can be. `tools`:
    those that its author declares."""

    errors: list[Remark]
    warnings: list[Remark]
    prompts: list[PromptView]
    variables: dict[str, Any]
    language: str
    pronounce: dict[str, str]
    outline: OutlineView | None
    tools: list[ToolView]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKeys:
    """`secrets`: the workspace's, by name; `speech_vendors`: those that need no key of it."""

    secrets: Collection[str]
    speech_vendors: Collection[str] = ()


def review_agent(
    source: str,
    may_call: Callable[[str], bool] = lambda number: True,
    may_use: Callable[[ModelName], bool] = lambda model: True,
    keys: KnownKeys | None = None,
    *,
    kind: str | None = None,
    allowed: Allowed | None = None,
    cold: Collection[str] = (),
    disclosure: str | None = None,
) -> Review:
    """Takes up to a second for the longest scripts: not on the event loop. `may_call`: whether a transfer to a number
    (E.164) would be made; `may_use`: whether a model can be reached from here. `keys`: those that the workspace has,
    None where nobody knows them. `kind`: by default what the source looks like. `allowed`: the private addresses that
    tools may reach, None where nobody knows them. `cold`: carriers of the workspace's numbers that can't have somebody
    asked before a transfer, as they are shown. `disclosure`: what its callees are to hear, None: nothing."""
    outline = None
    of = KINDS[kind or kind_of(source)]
    try:
        if is_code(source):
            raise ScriptError(OPERATORS)
        root = read_tree(source)
        outline = None if of.outline is None else _outline(of.outline(root))
        agent = of.parse(root)
    except ScriptError as error:
        return Review(
            errors=[Remark(line=error.line, message=error.reason)],
            warnings=[],
            prompts=[],
            variables={},
            language=DEFAULT_LANGUAGE,
            pronounce={},
            outline=outline,
            tools=[],
        )
    prompts, own = of.prompts(agent), of.tools(agent)
    return Review(
        errors=[],
        warnings=[
            *(_remark(one) for one in (*agent.warnings, *misplaced(agent.speech, agent.language))),
            *_vain_transfers(of.numbers(agent), may_call),
            *_not_asked(of.warm(agent), cold),
            *_unusable(_models(of.models(agent), agent), may_use),
            *(() if keys is None else _missing_secrets(root, of.speech(agent), keys)),
            *(() if allowed is None else _unreachable(own, allowed)),
            *(() if allowed is None or of.reached is None else _brain_unreachable(of.reached(agent), allowed)),
            *_not_disclosed(prompts, disclosure),
        ],
        prompts=[
            PromptView(
                step=one.step, verb=one.verb, line=one.line, text=one.text, variables=list(one.variables)
            )
            for one in prompts
        ],
        variables={path: _default(agent.variables, path) for one in prompts for path in one.variables},
        language=agent.language,
        pronounce=dict(agent.pronounce),
        outline=outline,
        tools=tool_views(own),
    )


def _remark(warning: ScriptWarning) -> Remark:
    return Remark(line=warning.line, message=warning.reason)


def _models(talking: Iterable[ModelName], agent: ParsedAgent) -> list[ModelName]:
    """Those that talk, and those that make something of the call afterwards, each once."""
    return list(dict.fromkeys([*talking, *(() if agent.after is None else agent.after.models)]))


def _outline(found: Outline) -> OutlineView:
    return OutlineView(
        start=found.start,
        anywhere=_ways(found.anywhere),
        steps=[
            StepView(name=step.name, line=step.line, reached=step.reached, ways=_ways(step.ways))
            for step in found.steps
        ],
    )


def _ways(ways: Iterable[Way]) -> list[WayView]:
    return [WayView(on=list(way.on), does=way.does, step=way.step, line=way.line) for way in ways]


def _vain_transfers(numbers: Iterable[tuple[Text, int]], may_call: Callable[[str], bool]) -> Iterator[Remark]:
    """Transfers to a number that stands in the source and isn't called. What variables hold is known on the call."""
    for to, line in numbers:
        if to.slots:
            continue
        try:
            number = normal_e164(to.source)
        except ValueError:
            continue
        if not may_call(number):
            message = (
                f"{number} is not among the workspace's allowed destinations, so this transfer would fail; an "
                "operator can allow it in the settings under Destinations"
            )
            yield Remark(line=line, message=message)


def _not_asked(warm: Iterable[WarmTexts], cold: Collection[str]) -> Iterator[Remark]:
    """Warm transfers, where the workspace has numbers of a carrier that makes none."""
    for one in warm if cold else ():
        then = "the callee is transferred without" if one.if_not_possible is IfNotPossible.COLD else "it fails there"
        message = f"{' and '.join(sorted(cold))} can't have somebody asked before a transfer; {then}"
        yield Remark(line=one.line, message=message)


def _unusable(models: Iterable[ModelName], may_use: Callable[[ModelName], bool]) -> Iterator[Remark]:
    for model in models:
        if not model.speaks and not may_use(model):
            message = (
                f"this server has no key for the model {model.name[:60]}, so it would fail; its operator can name the "
                "model's server in OUTDIAL_MODEL_SERVERS"
            )
            yield Remark(line=model.line, message=message)


def _missing_secrets(root: Node, speech: Iterable[SpeechChoice], keys: KnownKeys) -> Iterator[Remark]:
    missing: dict[str, int] = {}
    for choice in speech:
        missing = {**missing_keys(choice, keys.secrets, keys.speech_vendors), **missing}
    for name, line in missing.items():
        message = (
            f"needs secret {name}, which the workspace doesn't have, so its calls would have the server's own speech; "
            f"an operator can set it in the settings under Secrets, or with outdial secrets set {name}"
        )
        yield Remark(line=line, message=message)
    for name, line in unknown_secrets(root, keys.secrets):
        message = (
            f"the workspace has no secret {name}, so what sends it would fail; an operator can set it in the settings "
            f"under Secrets, or with outdial secrets set {name}"
        )
        yield Remark(line=line, message=message)


def _unreachable(own: OwnTools, allowed: Allowed) -> Iterator[Remark]:
    for line, why in out_of_reach(own, allowed):
        yield Remark(line=line, message=why)


def _brain_unreachable(reached: tuple[str, int], allowed: Allowed) -> Iterator[Remark]:
    """Of a name that is only known once it is resolved."""
    url, line = reached
    try:
        check_url(url, allowed)
    except ValueError as error:
        yield Remark(line=line, message=f"the address of its brain {error}")


def _not_disclosed(prompts: Collection[Prompt], disclosure: str | None) -> Iterator[Remark]:
    """What a model says in its own words can't be known, nor whether a call comes to the sentence."""
    if disclosure is None or not has_words(disclosure):
        return
    if not any(says(one.text, disclosure) for one in prompts if one.verb not in NOT_TO_CALLEES):
        message = (
            f'nothing that it says word for word has the sentence it is to disclose, "{disclosure}"; calls would tell '
            "that it wasn't heard"
        )
        yield Remark(line=None, message=message)


def _default(variables: Mapping[str, Any], path: str) -> Any:
    value = lookup(path, variables)
    return value if isinstance(value, str | int | float | bool) else None
