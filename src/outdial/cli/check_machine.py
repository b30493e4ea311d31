"""What `outdial doctor` looks at on this machine: Python, speech engines, data directory, secret key, open
files."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from outdial import open_files
from outdial.cli.findings import Finding, Status
from outdial.settings import Settings
from outdial.tracing.exporter import wanted
from outdial.unknown_settings import unknown_variables


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
    return [*findings, second_opinion()]


def second_opinion() -> Finding:
    from outdial.speech.closed_answers import PACKAGE, available

    subject, problem = "Second opinion", available()
    if problem is None:
        return Finding(subject=subject, status=Status.OK, found=f"{PACKAGE} {metadata.version(PACKAGE)}, offline")
    return Finding(
        subject=subject,
        status=Status.WARN,
        found="none: of short answers (\"Thursday\", \"eight\") one in six more isn't understood and asked for again",
        todo=problem,
    )


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
        more = "" if settings.old_secret_key is None else ", and the one before (outdial secret-key status)"
        return Finding(subject=subject, status=Status.OK, found=f"from OUTDIAL_SECRET_KEY{more}")
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


def files(most: int | None = None) -> Finding:
    """`most`: what a server has raised its limit to. Default: what one that is started here may raise it to."""
    most = open_files.most() if most is None else most
    found = f"a process may open {most:,}"
    if most < open_files.ENOUGH:
        return Finding(
            subject="Open files",
            status=Status.WARN,
            found=found,
            todo=f"Allow {open_files.ENOUGH:,} or more (ulimit -Hn, LimitNOFILE= in a systemd unit, --ulimit nofile= "
            "of Docker): calls and connections each take some, and without one no new call is answered.",
        )
    return Finding(subject="Open files", status=Status.OK, found=found)


def proxies(settings: Settings) -> Finding:
    """Whose X-Forwarded-For the server believes."""
    believed = settings.trusted_proxies.strip()
    found = f"X-Forwarded-For is believed from {believed}" if believed else "X-Forwarded-For is believed from nobody"
    return Finding(subject="Proxies", status=Status.OK, found=found)


def traces(environ: Mapping[str, str] = os.environ) -> Finding:
    """Whether calls are traced, and where to. Of the address only the host is told: keys may be in the rest."""
    subject, asked = "Traces", wanted(environ)
    if asked.endpoint is None:
        return Finding(subject=subject, status=Status.OK, found="off: no OTEL_EXPORTER_OTLP_ENDPOINT")
    if asked.fault is not None:
        todo = "See docs/traces.md, or unset the endpoint."
        return Finding(subject=subject, status=Status.WARN, found=f"off: {asked.fault}", todo=todo)
    return Finding(subject=subject, status=Status.OK, found=f"a trace a call, to {asked.host}")


def variables(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """One for each that is named like a setting and is none."""
    return [
        Finding(
            subject="Environment",
            status=Status.WARN,
            found=f"{name} is no setting, and has no effect",
            todo=f"Did you mean {nearest}?" if nearest else "Look for its name in the README, under Settings.",
        )
        for name, nearest in unknown_variables(environ).items()
    ]


def _free_gb(path: Path) -> float:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize / 1e9
