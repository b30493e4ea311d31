"""What is asked of Voiceflow's Dialog Manager API. Pure: a method, a URL, headers and a body.

Source: Voiceflow's OpenAPI files of the Dialog Manager API; the streaming door is `interact/stream`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from outdial.agents.brains.reaching import Json, Project

MAX_USER = 128  # characters of a user id
# What a project's state holds of its own accord, and nobody has asked for.
_OWN = frozenset({
    "sessions", "timestamp", "last_event", "last_utterance", "last_response", "platform", "user_id", "locale",
    "intent_confidence", "channel",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    body: Json | None = None


def streamed_turn(project: Project, action: Json, variables: Json) -> Asked:
    query = urlencode({"environment": project.environment, "completion_events": "true", "state": "true"})
    path = f"v2/project/{quote(project.project_id, safe='')}/user/{_user(project)}/interact/stream"
    body = {"action": action, **({"variables": variables} if variables else {})}
    headers = {**_headers(project), "accept": "text/event-stream"}
    return Asked(method="POST", url=f"{project.base_url}/{path}?{query}", headers=headers, body=body)


def whole_turn(project: Project, action: Json, variables: Json) -> Asked:
    body = {
        "action": action,
        "config": {"tts": False, "stripSSML": True, "stopAll": False, "excludeTypes": ["block", "debug", "flow"]},
        **({"state": {"variables": variables}} if variables else {}),
    }
    return Asked(method="POST", url=f"{_state(project)}/interact", headers=_headers(project), body=body)


def forgetting(project: Project) -> Asked:
    return Asked(method="DELETE", url=_state(project), headers=_headers(project))


def state(project: Project) -> Asked:
    return Asked(method="GET", url=_state(project), headers=_headers(project))


def variables_of(state: Any, was_set: Collection[str] = ()) -> dict[str, Any]:
    """The author's, of a state. What was never set is 0 there, so a 0 counts only under the names in `was_set`."""
    return {
        name: value
        for name, value in _variables(state).items()
        if isinstance(name, str) and name not in _OWN and not name.startswith("vf_")
        if value not in (None, "") and (name in was_set or not _may_be_unset(value))
    }


def set_in(state: Any) -> set[str]:
    """The names of those variables that somebody has set, as far as a state shows it."""
    return {name for name, value in _variables(state).items() if not _may_be_unset(value)}


def _variables(state: Any) -> Mapping[Any, Any]:
    found = state.get("variables") if isinstance(state, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _may_be_unset(value: Any) -> bool:
    return value == 0 and not isinstance(value, bool)


def _state(project: Project) -> str:
    return f"{project.base_url}/state/user/{_user(project)}"


def _user(project: Project) -> str:
    return quote(project.user[:MAX_USER], safe="")


def _headers(project: Project) -> dict[str, str]:
    """The key stands in a header and nowhere else."""
    return {"authorization": project.key, "versionID": project.environment}
