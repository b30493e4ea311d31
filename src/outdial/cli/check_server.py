"""What `outdial doctor` says of the server that it has found running, and of others."""

from collections.abc import Sequence

import httpx

from outdial.cli.check_machine import traces, variables
from outdial.cli.findings import Finding, Status
from outdial.cli.run_files import RunningServer, SettingsUnreadable
from outdial.version import __version__


async def running_server(server: RunningServer, http: httpx.AsyncClient) -> Finding:
    subject = "Server"
    known = f"{server.url} (process {server.pid}, started in {server.folder})"
    try:
        response = await http.get(f"{server.url}/readyz")
    except httpx.HTTPError as error:
        return Finding(
            subject=subject,
            status=Status.FAIL,
            found=f"{known} runs but doesn't answer ({type(error).__name__})",
            todo="Read its log; stop it and start it again.",
        )
    if response.status_code != 200:
        return Finding(
            subject=subject,
            status=Status.FAIL,
            found=f"{known} isn't ready: it answers {response.status_code}",
            todo="If it is to stop, wait for it; else read its log.",
        )
    if server.version != __version__:
        return Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{known} is of version {server.version}, and this command of {__version__}",
            todo="Stop the server and start it again with this version.",
        )
    return Finding(subject=subject, status=Status.OK, found=f"running and ready at {known}")


def others(servers: Sequence[RunningServer]) -> list[Finding]:
    """Those that aren't looked at."""
    return [
        Finding(
            subject="Another server",
            status=Status.OK,
            found=f"{server.url}, started in {server.folder}; to look at it: OUTDIAL_DATA_DIR={server.data_dir}",
        )
        for server in servers
    ]


def differing(variables: Sequence[str]) -> list[Finding]:
    """Settings that this terminal or folder has otherwise than the server."""
    if not variables:
        return []
    return [
        Finding(
            subject="This terminal",
            status=Status.WARN,
            found=f"has another {', '.join(variables)} than the server, and commands here go by it",
            todo="Unset it, or stop the server and start it again with it.",
        )
    ]


def server_traces(server: RunningServer) -> list[Finding]:
    """Where its environment can be read."""
    try:
        return [traces(server.environment())]
    except SettingsUnreadable:
        return []


def server_variables(server: RunningServer) -> list[Finding]:
    """Variables the server was started with that are named like settings and are none."""
    try:
        return variables(server.environment())
    except SettingsUnreadable:
        return []
