"""A model as it is named on the command line, looked at before it is asked anything: can it be used from here, does its
server answer, what may it cost."""

import re
import sys
from collections.abc import Mapping

import httpx
import typer

from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.vendors import OPENAI, ModelServers, dollars_for
from outdial.carriers.http import is_loopback
from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress

ANSWERS = 10           # of a model, on a call such as the demo's …
TOKENS_READ = 1_200    # … for each of which it reads so many tokens, …
TOKENS_WRITTEN = 60    # … and writes so many
SHOWN = 8              # names of models
TIMEOUT_S = 10.0
_URL = re.compile(r"(https?://[^\s/?#@]+(?:/[^\s?#]*?)?/v\d+)(?:/([^\s?#]+))?/?")


def named_model(written: str) -> ModelName:
    """`vendor:name`, the name of one of OpenAI's, or base URL and name in one: http://127.0.0.1:11434/v1/llama3.2. The
    name is "" where a URL has none. Raises CommandFailed."""
    if "://" not in written:
        name = written.strip()
        if not name or " " in name or name.endswith(":"):
            raise CommandFailed(f"{written!r} names no model; write vendor:name, such as openai:gpt-5-mini")
        return ModelName(name=name)
    found = _URL.fullmatch(written.strip())
    if found is None:
        raise CommandFailed(
            f"{written!r} is no address of a model; write base URL and name: http://127.0.0.1:11434/v1/llama3.2"
        )
    return ModelName(name=found[2] or "", base_url=found[1])


async def usable_model(model: ModelName, keys: Mapping[str, str], *, trusted: bool = True) -> ModelName:
    """The model, if it can be asked: with the name that its server has for its only one where none is written. Asks a
    server which models it has, which costs nothing. `trusted`: a server that is not in `keys` may be asked, too. Raises
    CommandFailed."""
    servers = ModelServers({**({model.base_url: ""} if trusted and model.base_url else {}), **keys})
    if model.name and (fault := servers.fault(model)) is not None:
        raise CommandFailed(f"the model {model.name} can't be used: {fault}")
    url, key = servers.key_for(model)
    if url is None:
        return model
    names = await _names(url, key)
    if not model.name and len(names) == 1:
        return ModelName(name=names[0], base_url=model.base_url)
    bare = model.name.removeprefix("openai:")
    if not model.name or (names and bare not in names and f"{bare}:latest" not in names and url != OPENAI):
        known = ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
        what = f"has no model {bare}" if bare else "is no model alone"
        raise CommandFailed(f"{url} {what}; write its name behind it{f': it has {known}' if known else ''}")
    return model


async def _names(url: str, key: str | None) -> list[str]:
    """Of the models of a server; none where it doesn't tell."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=not is_loopback(url)) as http:
            answer = await http.get(f"{url}/models", headers=headers)
    except httpx.HTTPError as error:
        raise CommandFailed(f"the model's server at {url} doesn't answer ({type(error).__name__})") from None
    if answer.status_code in (401, 403):
        raise CommandFailed(f"the model's server at {url} refuses the key (HTTP {answer.status_code})")
    try:
        return [str(one["id"]) for one in answer.json()["data"]]
    except (ValueError, LookupError, TypeError):
        return []


def cost_of(model: ModelName, *, at_most_dollars: float | None) -> str:
    """What a call may cost, in a sentence or two."""
    size = f"{ANSWERS} answers, {ANSWERS * TOKENS_READ:,} tokens read, {ANSWERS * TOKENS_WRITTEN:,} written"
    dollars = dollars_for(model, read=ANSWERS * TOKENS_READ, written=ANSWERS * TOKENS_WRITTEN)
    if dollars is None:
        return f"Outdial knows no price of it. A call may take {size}."
    limit = f" The agent's limit is ${at_most_dollars:.2f} a call." if at_most_dollars else ""
    return f"A call may cost about ${max(dollars, 0.001):.3f} ({size}), more where it talks longer.{limit}"


def agree(model: ModelName, *, at_most_dollars: float | None, yes: bool) -> None:
    """Say what is about to be asked and what that may cost; go on only if somebody agrees. Raises CommandFailed."""
    where = model.base_url or model.name.partition(":")[0]
    progress.print(f"A real model will be asked: {model.name} ({where}).", markup=False, soft_wrap=True)
    progress.print(cost_of(model, at_most_dollars=at_most_dollars), markup=False, soft_wrap=True)
    if yes:
        return
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise CommandFailed("nobody is here to agree to that; say --yes")
    if not typer.confirm("Go on?", default=False, err=True):
        raise CommandFailed("nothing was asked")
