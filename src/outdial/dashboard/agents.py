"""Agents: the list, and one agent with its script, its prompts and its versions."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.changes import Diff, diff_scripts
from outdial.agents.history import version_history
from outdial.agents.in_use import COUNTED, recent_calls
from outdial.agents.kinds import KINDS, LLM
from outdial.agents.llm.form import LIMITS, MAX_VALUE, TYPES, Edit, form_of, with_edit
from outdial.agents.llm.tools import OPTIONAL
from outdial.agents.script.examples import list_examples
from outdial.agents.script.model import ScriptError
from outdial.agents.store import get_agent, get_version, list_agents
from outdial.api.bodies import StrictBody
from outdial.api.scripts import ScriptSource
from outdial.dashboard.page import Here, Page, PageRoute, needs
from outdial.db.engine import reading
from outdial.numbers.views import NumberView, list_numbers
from outdial.speech.vendors import VENDORS
from outdial.workspaces.access import EDIT

router = APIRouter(include_in_schema=False, route_class=PageRoute)

VERSIONS_SHOWN = 20
SPOKEN = ("language", "voice", "recognition")  # of the section `agent`
_SPEECH_CHOICES = {
    "language": ["en-US", "en-GB", "de-DE", "es-ES", "es-US", "fr-FR", "fr-CA"],
    "voice": [
        f"{one.name}/{voice}"
        for one in VENDORS.values()
        if one.synthesiser is not None
        for voice in one.synthesiser.voices
    ],
    "recognition": [
        f"{one.name}/{model}"
        for one in VENDORS.values()
        if one.recogniser is not None
        for model in one.recogniser.models
    ],
}

Version = Annotated[int, Field(ge=1, lt=2**31)]


class FormEdit(StrictBody):
    """As agents.llm.form.Edit has it."""

    path: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=3)]
    value: Annotated[str, Field(max_length=MAX_VALUE)] | int | float | bool | list[str] | dict[str, str] | None = None
    rename: Annotated[str, Field(max_length=200)] | None = None

    def edit(self) -> Edit:
        return Edit(path=tuple(self.path), value=self.value, rename=self.rename)


class FormChange(StrictBody):
    """What the editor has, and what was changed in the form, if it was."""

    source: ScriptSource
    edit: FormEdit | None = None


class Edited(StrictBody):
    """A script as it is in somebody's editor."""

    source: ScriptSource
    version: Version


@router.get("/agents")
async def agents(page: Here) -> Response:
    async with reading(page.services.engine) as conn:
        listed = await list_agents(conn, page.workspace_id)
        numbers = await _numbers(page, conn)
        calls = await recent_calls(conn, page.workspace_id)
    return await page.render(
        "agents.html",
        agents=listed,
        kinds=KINDS,
        numbers={agent["id"]: _of_agent(numbers, agent["id"]) for agent in listed},
        calls=calls,
        counted=COUNTED,
        examples=list_examples(),
    )


@router.get("/agents/{agent_id}")
async def agent(page: Here, agent_id: str, all_versions: Annotated[bool, Query(alias="all")] = False) -> Response:
    async with reading(page.services.engine) as conn:
        shown = await get_agent(conn, page.workspace_id, agent_id)
        limit = None if all_versions else VERSIONS_SHOWN
        versions = await version_history(conn, page.workspace_id, shown, limit=limit)
        numbers = _of_agent(await _numbers(page, conn), agent_id)
    kind = KINDS[shown["kind"]]
    filled = await asyncio.to_thread(_filled, shown["source"], None) if shown["kind"] == LLM else {}
    spoken = await asyncio.to_thread(_spoken, shown["source"], None)
    return await page.render(
        "agent.html", agent=shown, kind=kind, versions=versions, numbers=numbers, speech=spoken, **filled
    )


@router.post("/agents/{agent_id}/form")
async def form(page: Here, agent_id: str, change: FormChange) -> Response:
    """The form of what the editor has, with a change of the form's in it. Changes nothing that is saved."""
    async with reading(page.services.engine) as conn:
        shown = await get_agent(conn, page.workspace_id, agent_id)
    edit = None if change.edit is None else change.edit.edit()
    filled = await asyncio.to_thread(_filled, change.source, edit)
    return page.part("parts/agent_form.html", agent=shown, **filled)


@router.post("/agents/{agent_id}/speech")
async def speech(page: Here, agent_id: str, change: FormChange) -> Response:
    """What the editor's source says of voice, recognition and language, with a change in it. Saves nothing."""
    async with reading(page.services.engine) as conn:
        shown = await get_agent(conn, page.workspace_id, agent_id)
    edit = None if change.edit is None else change.edit.edit()
    spoken = await asyncio.to_thread(_spoken, change.source, edit)
    return page.part("parts/agent_speech.html", agent=shown, speech=spoken)


@router.get("/agents/{agent_id}/changes")
async def changes(page: Here, agent_id: str, before: Version, after: Version) -> Response:
    """What one version has that another hasn't."""
    async with reading(page.services.engine) as conn:
        old = await get_version(conn, page.workspace_id, agent_id, before)
        new = await get_version(conn, page.workspace_id, agent_id, after)
    return page.part(
        "parts/agent_changes.html",
        diff=await _diff(old["source"], new["source"]),
        before=f"version {before}",
        after=f"version {after}",
    )


@router.post("/agents/{agent_id}/changes")
async def unsaved_changes(page: Here, agent_id: str, edited: Edited) -> Response:
    """What an editor has that a version hasn't. Changes nothing."""
    async with reading(page.services.engine) as conn:
        old = await get_version(conn, page.workspace_id, agent_id, edited.version)
    return page.part(
        "parts/agent_changes.html",
        diff=await _diff(old["source"], edited.source),
        before=f"version {edited.version}",
        after="your unsaved changes",
    )


@router.get("/agents/{agent_id}/publish")
@needs(EDIT)
async def publish(page: Here, agent_id: str, version: Version | None = None) -> Response:
    """Asks before a version is published, and shows what that changes. Without `version` it is the draft."""
    async with reading(page.services.engine) as conn:
        shown = await get_agent(conn, page.workspace_id, agent_id)
        number = version or shown["draft_version"]
        new = await get_version(conn, page.workspace_id, agent_id, number)
        old = None
        if shown["published_version"] is not None:
            old = await get_version(conn, page.workspace_id, agent_id, shown["published_version"])
        numbers = _of_agent(await _numbers(page, conn), agent_id)
    return page.part(
        "parts/publish_agent.html",
        agent=shown,
        version=number,
        diff=None if old is None else await _diff(old["source"], new["source"]),
        greets={"new": new["greet"], "old": None if old is None else old["greet"]},
        before=f"version {shown['published_version']}",
        after=f"version {number}",
        numbers=[one for one in numbers if one["agent"] and one["agent"]["version"] == "published"],
    )


async def _numbers(page: Page, conn: AsyncConnection) -> list[NumberView]:
    return await list_numbers(conn, page.workspace_id, public_url=page.services.settings.base_url)


def _filled(source: str, edit: Edit | None) -> dict[str, Any]:
    """What the form's template shows: the form, the source that it is of, and what went wrong."""
    problem, result = None, None
    if edit is not None:
        try:
            source = with_edit(source, edit)
        except ScriptError as error:
            problem = error
    try:
        result = form_of(source)
    except ScriptError as error:
        problem = error
    choices = {"optional": OPTIONAL, "limits": LIMITS, "types": TYPES}
    return {"form": result, "source": source, "problem": problem, **choices}


def _spoken(source: str, edit: Edit | None) -> dict[str, Any]:
    """What the part for speech shows. `written`: by "language", "voice" and "recognition"; a section with options is
    only changed in the source."""
    problem: ScriptError | None = None
    if edit is not None:
        try:
            if len(edit.path) != 2 or edit.path[0] != "agent" or edit.path[1] not in SPOKEN:
                raise ScriptError("only language, voice and recognition are changed here")
            source = with_edit(source, edit)
        except ScriptError as error:
            problem = error
    try:
        found = form_of(source)
        written = {name: found.value("agent", name) for name in SPOKEN}
    except ScriptError as error:
        problem, written = error, {}
    return {"source": source, "problem": problem, "written": written, "choices": _SPEECH_CHOICES}


def _of_agent(numbers: list[NumberView], agent_id: str) -> list[NumberView]:
    return [one for one in numbers if one["agent"] is not None and one["agent"]["id"] == agent_id]


async def _diff(before: str, after: str) -> Diff:
    return await asyncio.to_thread(diff_scripts, before, after)  # long ones take a while; calls are talking meanwhile
