"""What `outdial doctor` looks at over the network: the server of these settings, and its public address."""

import httpx

from outdial.cli.findings import Finding, Status
from outdial.cli.processes import is_free, local_url
from outdial.cli.way_seen import PUBLIC
from outdial.settings import Settings


async def server(settings: Settings, http: httpx.AsyncClient) -> Finding:
    url = local_url(settings.host, settings.port)
    if settings.port == 0 or is_free(settings.host, settings.port):
        found = f"none of yours runs; this is what serve would use here. Port {settings.port} is free"
        return Finding(subject="Server", status=Status.OK, found=found)
    try:
        response = await http.get(f"{url}/readyz")
        if response.status_code == 200:
            return Finding(subject="Server", status=Status.OK, found=f"running and ready at {url}")
        found = f"something at {url} answers {response.status_code}"
    except httpx.HTTPError as error:
        found = f"something listens at {url} but doesn't answer ({type(error).__name__})"
    return Finding(
        subject="Server",
        status=Status.FAIL,
        found=found,
        todo="If that isn't Outdial, choose another port with OUTDIAL_PORT; if it is, read its log.",
    )


async def public_url(settings: Settings, http: httpx.AsyncClient) -> Finding:
    subject = PUBLIC
    url = settings.public_url
    if url is None:
        return Finding(
            subject=subject,
            status=Status.WARN,
            found="not set: only the simulator can reach this server",
            todo="Set OUTDIAL_PUBLIC_URL=https://… (a tunnel will do) before using a real carrier.",
        )
    if not url.startswith("https://"):
        return Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{url} is not https",
            todo="Carriers open media streams over wss:// only; put TLS in front and set an https:// address.",
        )
    try:
        response = await http.get(f"{url}/healthz")
    except httpx.HTTPError as error:
        return Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{url} can't be reached from here ({type(error).__name__})",
            todo="Start outdial serve and the tunnel or proxy; check its DNS name and certificate.",
        )
    if response.status_code != 200 or response.text.replace(" ", "") != '{"status":"ok"}':
        return Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{url} answers {response.status_code}, but not as Outdial",
            todo=f"Point it at {local_url(settings.host, settings.port)}.",
        )
    return Finding(subject=subject, status=Status.OK, found=f"{url} reaches Outdial")
