"""outdial doctor: what is installed, configured and reachable, and what to do about each fault."""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.configuration import load_settings
from outdial.cli.failures import explanation
from outdial.cli.output import AsJson, console, print_json
from outdial.cli.processes import is_free, local_url
from outdial.settings import Settings

app = typer.Typer()


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, but not everything or not safely
    FAIL = "fail"  # calls can't be placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`todo` is what to do about it; None when all is well."""

    subject: str
    status: Status
    found: str
    todo: str | None = None


@app.command()
def doctor(json: AsJson = False) -> None:
    """Check this machine and its settings. Exit code 1 when something essential is broken."""
    settings = load_settings()
    findings = asyncio.run(_all(settings))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [python(), *speech(), data_dir(settings), secret_key(settings)]
    findings += [finding async for finding in database(settings)]
    async with httpx.AsyncClient(timeout=5, follow_redirects=False) as http:
        findings += [await server(settings, http), await public_url(settings, http)]
    return findings


def python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= version < (3, 14):
        return Finding(subject="Python", status=Status.OK, found=found)
    return Finding(subject="Python", status=Status.FAIL, found=found, todo="Use Python 3.11, 3.12 or 3.13.")


def speech() -> list[Finding]:
    from outdial.speech.offline import available

    findings = []
    for subject, engine in zip(("Text to speech", "Speech to text"), available(), strict=True):
        if engine.problem is None:
            finding = Finding(subject=subject, status=Status.OK, found=f"{engine.package} {engine.version}, offline")
        else:
            finding = Finding(
                subject=subject,
                status=Status.FAIL if subject == "Text to speech" else Status.WARN,
                found=f"{engine.package} can't be used",
                todo=engine.problem,
            )
        findings.append(finding)
    return findings


def data_dir(settings: Settings) -> Finding:
    path = settings.data_dir.absolute()
    parent = next(folder for folder in (path, *path.parents) if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        return Finding(
            subject="Data directory",
            status=Status.FAIL,
            found=f"{path} can't be written",
            todo="Set OUTDIAL_DATA_DIR to a directory of yours.",
        )
    free_gb = _free_gb(parent)
    if free_gb < 1:
        return Finding(
            subject="Data directory",
            status=Status.WARN,
            found=f"{path}, {free_gb:.1f} GB free",
            todo="Make room: an hour of recording takes 115 MB.",
        )
    return Finding(subject="Data directory", status=Status.OK, found=f"{path}, {free_gb:.0f} GB free")


def secret_key(settings: Settings) -> Finding:
    subject = "Secret key"
    if settings.secret_key is not None:
        return Finding(subject=subject, status=Status.OK, found="from OUTDIAL_SECRET_KEY")
    path = settings.data_dir / "secret_key"
    if not path.exists():
        return Finding(subject=subject, status=Status.OK, found="will be made at the first start")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{path} can be read by others (mode {mode:o})",
            todo=f"chmod 600 {path}",
        )
    return Finding(subject=subject, status=Status.OK, found=f"{path}; keep a copy apart from the database's")


async def database(settings: Settings) -> AsyncIterator[Finding]:
    """The database, its schema, and what is set up in it. Looks only: nothing is migrated or made."""
    from outdial.db.engine import create_engine
    from outdial.db.running import running_url

    embedded = settings.database_url is None
    subject = "Database"
    if embedded and not (settings.data_dir / "postgres").exists():
        yield _embedded_not_made_yet(subject)
        return
    try:
        async with asyncio.timeout(60), running_url(settings) as url:
            engine = create_engine(url)
            try:
                async for finding in _look_into(engine, settings, subject, embedded=embedded):
                    yield finding
            finally:
                await engine.dispose()
    except Exception as error:
        yield Finding(
            subject=subject,
            status=Status.FAIL,
            found=explanation(error),
            todo="Start PostgreSQL, correct OUTDIAL_DATABASE_URL, or unset it to use the embedded one.",
        )


async def _look_into(
    engine: AsyncEngine, settings: Settings, subject: str, *, embedded: bool
) -> AsyncIterator[Finding]:
    from outdial.db.migrate import is_current

    async with engine.connect() as conn:
        version = ".".join(map(str, conn.dialect.server_version_info or ()))
    found = f"PostgreSQL {version}" + (" (embedded)" if embedded else "")
    if not await is_current(engine):
        yield Finding(
            subject=subject,
            status=Status.WARN,
            found=f"{found}; its tables are not of this version",
            todo="Start outdial serve: it brings them up to date.",
        )
        return
    yield Finding(subject=subject, status=Status.OK, found=f"{found}, tables up to date")
    async for finding in carrier_accounts(engine, settings):
        yield finding


def _embedded_not_made_yet(subject: str) -> Finding:
    from outdial.db.embedded import EmbeddedPostgresError, installed_version

    try:
        found = f"embedded PostgreSQL {installed_version()}; will be made at the first start"
    except EmbeddedPostgresError as error:
        return Finding(
            subject=subject, status=Status.FAIL, found=str(error), todo="Set OUTDIAL_DATABASE_URL=postgresql://…"
        )
    return Finding(subject=subject, status=Status.OK, found=found)


async def carrier_accounts(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Finding]:
    """Whether each carrier takes the credentials of each account."""
    from outdial.accounts.store import read_accounts
    from outdial.carriers.errors import CarrierError, CarrierRefused
    from outdial.workspaces.secrets import SecretBox, WrongSecretKey

    async with engine.connect() as conn:
        accounts = await read_accounts(conn)
    if not accounts:
        yield Finding(
            subject="Carriers",
            status=Status.WARN,
            found="no number is connected yet",
            todo="outdial numbers connect --help",
        )
        return
    secret_box = SecretBox.from_settings(settings)
    for account in accounts:
        subject = f"{account.kind.label} account"
        place = account.base_url or account.region
        name = account.account_ref + (f" at {place}" if place else "")
        try:
            async with asyncio.timeout(15):
                credentials = secret_box.decrypt(account.sealed_credentials)
                async with aclosing(account.kind.number_control(credentials, account.url)) as there:
                    await there.check()
            yield Finding(subject=subject, status=Status.OK, found=f"{name}: credentials are valid")
        except CarrierRefused as error:
            yield Finding(
                subject=subject,
                status=Status.WARN,
                found=f"{name}: {error.message}",
                todo=f"Give it valid credentials: outdial accounts change {account.id} -c name=value",
            )
        except (CarrierError, TimeoutError) as error:
            yield Finding(
                subject=subject,
                status=Status.WARN,
                found=f"{name}: {error.message if isinstance(error, CarrierError) else 'no answer in 15 s'}",
                todo="Check this machine's way to the internet and the carrier's status page.",
            )
        except WrongSecretKey as error:
            yield Finding(subject=subject, status=Status.FAIL, found=name, todo=str(error))


async def server(settings: Settings, http: httpx.AsyncClient) -> Finding:
    url = local_url(settings.host, settings.port)
    if settings.port == 0 or is_free(settings.host, settings.port):
        return Finding(subject="Server", status=Status.OK, found=f"not running; port {settings.port} is free")
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
    subject = "Public address"
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


def _free_gb(path: Path) -> float:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize / 1e9


def _show(findings: list[Finding]) -> None:
    marks = {Status.OK: "[green]ok[/]", Status.WARN: "[yellow]warn[/]", Status.FAIL: "[red]fail[/]"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(marks[finding.status], finding.subject, finding.found)
        if finding.todo:
            table.add_row("", "", f"[bold]→[/] {finding.todo}")
    console.print(table)
