"""Where a script can go: every jump has a target, every step is reached, and every way comes to an end."""

from collections.abc import Iterator

from outdial.agents.llm.free_talk import ModelName
from outdial.agents.script.expect import suggestion
from outdial.agents.script.model import (
    Action,
    Ask,
    Block,
    Goto,
    HangUp,
    If,
    Script,
    ScriptError,
    ScriptWarning,
    Talk,
    Transfer,
    Understand,
)
from outdial.agents.script.template import Text
from outdial.agents.script.warm_texts import WarmTexts
from outdial.agents.tools.definition import OwnTools


def check_flow(script: Script, start_line: int) -> None:
    """Raises ScriptError."""
    _check_target(script, script.start, start_line)
    for answer in script.anywhere:
        _check_block(script, answer.then)
    for step in script.steps.values():
        _check_block(script, step.block)
        for talk in [action for action in step.block if isinstance(action, Talk)][1:]:
            raise ScriptError("a step has one talk: give the second a step of its own", talk.line)
        if _goes_on(step.block):
            raise ScriptError(
                f"step '{step.name}' can end without saying what is next: goto, hang_up or transfer",
                step.line,
            )
    _check_reached(script)
    _check_ends(script)


def check_transfers(script: Script) -> None:
    """No number is dialled that a callee told a model. Raises ScriptError."""
    told = {fact.name for action in all_actions(script) if isinstance(action, Talk) for fact in action.talk.facts}
    for to, line in transfer_numbers(script):
        if fact := next((slot.path for slot in to.slots if slot.path.partition(".")[0] in told), None):
            raise ScriptError(f"a transfer goes to no number that the callee told: {{{fact}}} is a fact", line)


def unused_models(script: Script) -> Iterator[ScriptWarning]:
    if script.models and not set(script.models) <= set(models_of(script)):
        yield ScriptWarning("nothing in this script asks this model", script.models[0].line)


def models_of(script: Script) -> tuple[ModelName, ...]:
    """Each once."""
    found: list[ModelName] = []
    for action in all_actions(script):
        match action:
            case Talk(talk=talk):
                found += talk.models
            case Ask(understand=Understand.MODEL):
                found += script.models
    return tuple(dict.fromkeys(found))


def tools_of_script(script: Script) -> OwnTools:
    """Those of all its talks."""
    return sum((one.talk.own_tools for one in all_actions(script) if isinstance(one, Talk)), OwnTools())


def transfer_numbers(script: Script) -> Iterator[tuple[Text, int]]:
    """And their lines."""
    for action in all_actions(script):
        match action:
            case Transfer(to=to, line=line):
                yield to, line
            case Talk(talk=talk):
                yield from ((target.to, target.line) for target in talk.transfers)


def warm_transfers(script: Script) -> Iterator[WarmTexts]:
    """Of the script, and of its talks."""
    for action in all_actions(script):
        match action:
            case Transfer(warm=WarmTexts() as warm):
                yield warm
            case Talk(talk=talk):
                yield from (target.warm for target in talk.transfers if target.warm is not None)


def all_actions(script: Script) -> Iterator[Action]:
    """Every action that can be reached."""
    for block in (*(step.block for step in script.steps.values()), *(answer.then for answer in script.anywhere)):
        yield from actions_of(block)


def _check_target(script: Script, target: str, line: int) -> None:
    if target not in script.steps:
        raise ScriptError(f"there is no step '{target[:60]}'{suggestion(target, script.steps)}", line)


def _check_block(script: Script, block: Block) -> None:
    for place, action in enumerate(block):
        if isinstance(action, Goto):
            _check_target(script, action.step, action.line)
        if isinstance(action, Transfer) and action.failed is not None:
            _check_target(script, action.failed, action.line)
        for inner in _inside(action):
            _check_block(script, inner)
        if place + 1 < len(block) and isinstance(action, Goto | HangUp | Transfer):
            raise ScriptError("this is never reached: the line before leads elsewhere", block[place + 1].line)


def _check_reached(script: Script) -> None:
    reached: set[str] = set()
    ahead = [script.start, *(target for answer in script.anywhere for target in targets_of(answer.then))]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead.extend(targets_of(script.steps[name].block))
    for step in script.steps.values():
        if step.name not in reached:
            raise ScriptError(f"nothing leads to step '{step.name}'", step.line)


def _check_ends(script: Script) -> None:
    """A step must have a way to the end of the call; that it is taken in time is up to run.py's limit."""
    ending = {step.name for step in script.steps.values() if _can_end(step.block)}
    while more := {
        step.name
        for step in script.steps.values()
        if step.name not in ending and not ending.isdisjoint(targets_of(step.block))
    }:
        ending |= more
    for step in script.steps.values():
        if step.name not in ending:
            raise ScriptError(f"from step '{step.name}' on, the call can never end", step.line)


def _inside(action: Action) -> tuple[Block, ...]:
    match action:
        case If():
            return action.then, action.otherwise
        case Ask():
            return (*(answer.then for answer in action.answers), action.no_reply.then, action.no_match.then)
        case Talk(model_failed=failed):
            return (*action.exits.values(), action.at_limit, *(() if failed is None else (failed,)))
    return ()


def actions_of(block: Block) -> Iterator[Action]:
    """Every action that can be reached in `block`."""
    for action in block:
        yield action
        for inner in _inside(action):
            yield from actions_of(inner)
        if not _goes_on((action,)):
            return


def targets_of(block: Block) -> Iterator[str]:
    """The steps that `block` may lead to."""
    for action in actions_of(block):
        if isinstance(action, Goto):
            yield action.step
        elif isinstance(action, Transfer) and action.failed is not None:
            yield action.failed


def _can_end(block: Block) -> bool:
    return any(isinstance(action, HangUp | Transfer) for action in actions_of(block))


def _goes_on(block: Block) -> bool:
    """Whether what follows `block` can be reached through it."""
    for action in block:
        if isinstance(action, Goto | HangUp | Transfer):
            return False
        inner = _inside(action)
        takes_a_value = isinstance(action, Ask) and action.type is not None  # and goes on with what follows
        if inner and not takes_a_value and not any(map(_goes_on, inner)):
            return False
    return True
