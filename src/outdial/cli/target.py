"""Which server and which database a command is about.

In this order: what it was told (OUTDIAL_DATABASE_URL, OUTDIAL_DATA_DIR, the settings file), the data directory in this
folder, and the servers of this user that run, wherever they were started. Nothing is made while looking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outdial.cli.demo_home import only_demo
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command
from outdial.cli.output import progress
from outdial.cli.run_files import RunningServer, SettingsUnreadable, running_servers, user_folder
from outdial.db.made import is_made
from outdial.settings import Settings, variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`settings` are what the command goes by: the server's, and what the command was told before that. Where no
    server runs they are what was told, or what the folder has. `elsewhere` are other servers that run; `note` says why
    this target, where that isn't plain."""

    settings: Settings
    server: RunningServer | None = None
    server_settings: Settings | None = None
    elsewhere: Sequence[RunningServer] = ()
    note: str | None = None

    @property
    def knows_its_address(self) -> bool:
        """Whether `settings.base_url` is told by a server or the user, and not merely the default."""
        return self.server is not None or self.settings.public_url is not None

    def tell(self) -> None:
        if self.note is not None:
            progress.print(self.note, markup=False, soft_wrap=True)

    def check_database(self) -> None:
        """Raises CommandFailed, saying where was looked and what to do, when there is no database."""
        if not is_made(self.settings):
            raise CommandFailed(f"there is no Outdial database in {self.settings.data_dir.absolute()}{self.looked()}")

    def differing(self) -> list[str]:
        """The variables that the command was told otherwise than the server."""
        if self.server_settings is None:
            return []
        own, theirs = self.settings, self.server_settings
        names = [name for name in Settings.model_fields if name not in ("log_level", "data_dir")]
        return [variable(name) for name in names if getattr(own, name) != getattr(theirs, name)]

    def looked(self) -> str:
        """Where else was looked, and what to do now; the end of a sentence."""
        if self.elsewhere:
            return f"; other servers of yours run:\n{choices(self.elsewhere)}"
        folder = user_folder()
        return (
            "; no server of yours runs"
            + ("" if folder is None else f" (it would have left a file in {folder})")
            + f". Start one: {command('serve')}. Or say where its data are: OUTDIAL_DATA_DIR=… or "
            "OUTDIAL_DATABASE_URL=…"
        )


def find_target(own: Settings) -> Target:
    """`own` are the settings of the command. Raises CommandFailed when several servers run and none is meant."""
    servers = running_servers(own.data_dir)
    told = "data_dir" in own.model_fields_set
    if own.database_url is not None:
        return _with(own, [server for server in servers if _has_database(server, own)], servers)
    if here := _of(own.data_dir, servers):
        return _with(own, here, servers)
    if is_made(own):
        return Target(settings=own, elsewhere=servers, note=None if told else _not_running_here(own, servers))
    demo = only_demo(own)
    if demo is not None and (here := _of(demo.data_dir, servers)):
        return _with(own.model_copy(update={"data_dir": demo.data_dir}), here, servers, note=_demo_meant(demo))
    if servers and not told:
        return _only(own, servers)
    if demo is not None and is_made(demo):
        return Target(settings=demo, elsewhere=servers, note=_demo_meant(demo))
    return Target(settings=own, elsewhere=servers)


def choices(servers: Sequence[RunningServer]) -> str:
    """A line for each: how to choose it."""
    return "\n".join(
        f"  OUTDIAL_DATA_DIR={server.data_dir} outdial …   # {server.url}, started in {server.folder}"
        for server in servers
    )


def _only(own: Settings, servers: Sequence[RunningServer]) -> Target:
    """The one that runs; several that share a data directory are one."""
    if len({server.data_dir for server in servers}) > 1:
        raise CommandFailed(f"several servers of yours run; say which one is meant:\n{choices(servers)}")
    return _with(own, servers, (), note=f"Server: {servers[0].url}, data in {servers[0].data_dir}")


def _with(
    own: Settings, same: Sequence[RunningServer], servers: Sequence[RunningServer], note: str | None = None
) -> Target:
    """The newest of `same`, with its settings; what the command was told goes first."""
    elsewhere = [server for server in servers if server not in same]
    if not same:
        return Target(settings=own, elsewhere=elsewhere)
    server = same[0]
    told = {name: getattr(own, name) for name in own.model_fields_set}
    try:
        theirs = Settings(**server.whole_settings(told))
    except SettingsUnreadable as error:
        raise CommandFailed(str(error)) from error
    settings = theirs.model_copy(update={"log_level": own.log_level, **told})
    return Target(settings=settings, server=server, server_settings=theirs, elsewhere=elsewhere, note=note)


def _demo_meant(demo: Settings) -> str:
    return f"The only data here are those of the demo in {demo.data_dir}."


def _of(data_dir: Path, servers: Sequence[RunningServer]) -> list[RunningServer]:
    return [server for server in servers if server.data_dir == data_dir.resolve()]


def _has_database(server: RunningServer, own: Settings) -> bool:
    assert own.database_url is not None
    try:
        url = server.whole_settings({})["database_url"]
    except SettingsUnreadable:
        return False
    return bool(url == own.database_url.get_secret_value())


def _not_running_here(own: Settings, servers: Sequence[RunningServer]) -> str | None:
    """Who has two databases may mean the other one."""
    if not servers:
        return None
    return (
        f"The data in {own.data_dir.absolute()} are used; no server runs on them. If another one is meant:\n"
        f"{choices(servers)}"
    )


