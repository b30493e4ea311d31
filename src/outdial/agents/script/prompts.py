"""Everything a script says, in the order it is written: what can be listened to before anybody is called."""

from collections.abc import Iterator
from dataclasses import dataclass

from outdial.agents.script.model import Ask, Block, HangUp, If, Machine, Retry, Say, Script, Talk, Transfer
from outdial.agents.script.template import Text, parse_text
from outdial.agents.script.warm_texts import WarmTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`step` is the step's name, or the section: machine, do_not_call, anywhere. `verb` says how it is used: say, ask,
    reprompt, hang_up, message, reason, brief. `text` is as written, in one line."""

    step: str
    verb: str
    line: int
    text: str
    variables: tuple[str, ...]


def script_prompts(script: Script) -> list[Prompt]:
    """Outdial's own words are none of the script's, so they aren't here."""
    found: list[Prompt] = []
    found.extend(of_machine(script.machine))
    if script.do_not_call.line:
        found.append(prompt("do_not_call", "say", script.do_not_call.line, script.do_not_call.say))
    for answer in script.anywhere:
        found.extend(_of_block("anywhere", answer.then))
    for step in script.steps.values():
        found.extend(_of_block(step.name, step.block))
    return sorted((one for one in found if one.line), key=lambda one: one.line)


def of_machine(machine: Machine) -> Iterator[Prompt]:
    if machine.message is not None:
        yield prompt("machine", "message", machine.line, parse_text(machine.message))
    if machine.reason is not None:
        yield prompt("machine", "reason", machine.reason_line, parse_text(machine.reason))


def _of_block(step: str, block: Block) -> Iterator[Prompt]:
    for action in block:
        match action:
            case Say():
                yield prompt(step, "say", action.line, action.text)
            case HangUp(goodbye=Text() as goodbye):
                yield prompt(step, "hang_up", action.line, goodbye)
            case If():
                yield from _of_block(step, action.then)
                yield from _of_block(step, action.otherwise)
            case Ask():
                yield prompt(step, "ask", action.line, action.question)
                for answer in action.answers:
                    yield from _of_block(step, answer.then)
                yield from _of_retry(step, action.no_reply)
                yield from _of_retry(step, action.no_match)
            case Transfer(warm=WarmTexts() as warm):
                yield from of_warm(step, warm)
            case Talk():
                yield from _of_talk(step, action)


def _of_talk(step: str, talk: Talk) -> Iterator[Prompt]:
    if talk.opening is not None:
        yield prompt(step, "say", talk.opening_line, talk.opening)
    for target in talk.talk.transfers:
        for text in (target.say, target.failed):
            if text is not None:
                yield prompt(step, "say", target.line, text)
        if target.warm is not None:
            yield from of_warm(step, target.warm)
    for _, line, text in talk.talk.own_tools.said:
        yield prompt(step, "say", line, text)
    for block in (*talk.exits.values(), talk.at_limit, talk.model_failed or ()):
        yield from _of_block(step, block)


def of_warm(step: str, warm: WarmTexts) -> Iterator[Prompt]:
    """What the callee hears before it waits, and what is said to who is asked meanwhile."""
    for verb, text in (("say", warm.hold), ("brief", warm.brief)):
        if text is not None:
            yield prompt(step, verb, warm.line, text)


def _of_retry(step: str, retry: Retry) -> Iterator[Prompt]:
    if retry.reprompt is not None:
        yield prompt(step, "reprompt", retry.line, retry.reprompt)
    yield from _of_block(step, retry.then)


def prompt(step: str, verb: str, line: int, text: Text) -> Prompt:
    """Also of other kinds of agents."""
    paths = dict.fromkeys(slot.path for slot in text.slots)
    return Prompt(step=step, verb=verb, line=line, text=text.source, variables=tuple(paths))
