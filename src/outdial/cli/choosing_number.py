"""Which number to connect, of those that the credentials open: listed, searched, chosen."""

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.connecting import connector
from outdial.cli.database import the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress
from outdial.cli.target import Target
from outdial.numbers.new_number import GivenAccount
from outdial.numbers.owned import OwnedNumber, OwnedNumbersView, owned_numbers
from outdial.settings import Settings

LONGEST_PLACE = 3  # digits of a place in the list: more are part of a number


def choose_number(target: Target, workspace: str | None, given: GivenAccount) -> str:
    """Raises CommandFailed when there is none to choose."""
    found = _list(target, workspace, given, "")
    if not found["numbers"]:
        raise CommandFailed(f"the {given.kind.label} account has no number: get one there, then connect it")
    if not found["more"] and not any(map(_is_free, found["numbers"])):
        _show(found)
        raise CommandFailed(f"the {given.kind.label} account has no number that could be connected")
    progress.print(f"Numbers of the {given.kind.label} account {given.account_ref}:", markup=False, soft_wrap=True)
    while True:
        _show(found)
        answer: str = typer.prompt("Which one? Its place in the list, or digits to search for", err=True)
        chosen = _chosen(answer.strip(), found)
        if chosen is None:
            searched = _list(target, workspace, given, answer)
            if not searched["numbers"]:
                progress.print(f"No number has {answer.strip()} in it.", markup=False)
            found = searched if searched["numbers"] else found
        elif _is_free(chosen):
            return chosen["e164"]
        else:
            progress.print(f"{chosen['e164']} can't be connected: {_why_not(chosen)}.", markup=False)


def _list(target: Target, workspace: str | None, given: GivenAccount, search: str) -> OwnedNumbersView:
    async def work(engine: AsyncEngine, settings: Settings) -> OwnedNumbersView:
        workspace_id = await the_workspace(engine, workspace)
        return await owned_numbers(await connector(engine, settings), workspace_id, given, search)

    return with_database(work, target)


def _show(found: OwnedNumbersView) -> None:
    for place, each in enumerate(found["numbers"], start=1):
        words = ", ".join(filter(None, (each["name"], _why_not(each))))
        line = Text.assemble(f"{place:>4}  {each['e164']:<16}", (words, "" if _is_free(each) else "dim"))
        progress.print(line, soft_wrap=True)
    if found["more"]:
        progress.print("There are others: search for them by some of their digits.")


def _chosen(answer: str, found: OwnedNumbersView) -> OwnedNumber | None:
    """By its place, or by its number; None for what is to be searched for."""
    listed = found["numbers"]
    if answer.isascii() and answer.isdigit() and len(answer) <= LONGEST_PLACE and 0 < int(answer) <= len(listed):
        return listed[int(answer) - 1]
    return next((each for each in listed if each["e164"] == answer), None)


def _is_free(number: OwnedNumber) -> bool:
    return _why_not(number) is None


def _why_not(number: OwnedNumber) -> str | None:
    """Why it can't be connected, in words."""
    if number["connected"]:
        return "connected already"
    return None if number["can_call"] else "not for calls"
