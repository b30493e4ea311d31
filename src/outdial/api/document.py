"""The OpenAPI document put in order for those who read it by program: generators of clients, linters, our own page."""

from collections.abc import Iterator, Mapping
from typing import Any

# In the order they are read; an operation's tag has to stand here.
TAGS: Mapping[str, str] = {
    "Outbound calls": "One request, and your agent phones somebody.",
    "Calls": "How calls went and go on, and what can be done with one while it lasts.",
    "Listening in": "A live call heard by people, and whether its callee is told.",
    "Pause": "Dialling stopped and taken up again, and everything that waits canceled.",
    "Do not call": "The numbers this workspace doesn't call.",
    "Erasure": "What is personal, erased: of one call, or of one person's number.",
    "Retention": "How long this workspace keeps what its calls brought.",
    "Alerts": "What is wrong now and was, by which rules, and who is told.",
    "Destinations": "Where this workspace's calls may go, and how many a day.",
    "Spending": "What models may cost this workspace a day.",
    "Phone numbers": "Your numbers at a carrier, and which agent each talks with.",
    "Carrier accounts": "The accounts your numbers came with.",
    "Agents": "Scripts, their versions, and what they say.",
    "Webhooks": "Who is told of what happens to calls, and what was sent.",
    "Secrets": "What agents' tools send along, and nobody is shown again.",
    "Overview": "Lines, today's calls, and what needs attention.",
    "Who answered": "Each verdict on a call, who it truly was, and how two detectors compare.",
    "Workers": "The processes that serve, and their seats for conversations.",
    "Workspace": "The plan, and how many lines there are.",
    "Members": "Who may sign in to the workspace, and as what.",
    "Me": "Whoever asks: a person, or a program with its key.",
    "API keys": "What programs use the API with.",
    "Audit log": "Who changed what.",
    "Health": "For load balancers; without a key.",
    "v1alpha1": "The path that earlier clients use. It does what the one under `/v1` does, and stays.",
}
LICENSE = {"name": "MIT", "identifier": "MIT"}


def tags() -> list[dict[str, str]]:
    return [{"name": name, "description": description} for name, description in TAGS.items()]


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every (method, path, operation), as they stand."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def put_in_order(document: dict[str, Any]) -> None:
    """Changes the document in place."""
    codes: set[str] = set()
    for _, _, operation in operations(document):
        operation.setdefault("security", [])  # said, not left to be guessed: open to everybody
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _that_can_be_sent(parameter["schema"])
            if parameter["schema"].get("type") == "object":
                parameter |= {"style": "deepObject", "explode": True}  # metadata[key]=value
        codes |= set(_codes(operation))
    _name_codes(document["components"]["schemas"]["Problem"], sorted(codes))
    document["paths"] = dict(sorted(document["paths"].items(), key=lambda item: _place(item[1])))


def _place(path: Mapping[str, Any]) -> float:
    order = {tag: place for place, tag in enumerate(TAGS)}
    before_last = len(order) - 1.5  # where one goes that has no words yet
    return min(order.get(operation["tags"][0], before_last) for operation in path.values())


def _that_can_be_sent(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the null that stands for a parameter that isn't sent: neither a query nor a header can have one. What is
    said of it stands beside the schema already."""
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "description")}
    kinds = schema.get("anyOf", [])
    values: list[dict[str, Any]] = [kind for kind in kinds if kind != {"type": "null"}]
    if len(values) == 1:
        return rest | values[0]
    return rest | {"anyOf": values} if values else rest


def _codes(operation: Mapping[str, Any]) -> Iterator[str]:
    """The `code` of every error that the operation documents; its examples have them as their names."""
    for status, response in operation["responses"].items():
        if status >= "400":
            for content in response["content"].values():
                yield from content["examples"]


def _name_codes(problem: dict[str, Any], codes: list[str]) -> None:
    """As words one may meet, not as a closed set: a client mustn't break on the day there is one more."""
    problem["properties"]["code"] |= {
        "description": "What went wrong, in a word that stays. There may be new ones: take an unknown one by `status`.",
        "x-extensible-enum": codes,
    }
