"""What `outdial doctor` looks at in the store of recordings: whether it takes, gives back and deletes."""

from outdial.cli.findings import Finding, Status
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings

SUBJECT = "Recordings"


async def store(settings: Settings) -> list[Finding]:
    """Nothing where they stay in the data directory. Credentials are those of this terminal's environment."""
    url = settings.store_url
    if url is None:
        return []
    try:
        await Recordings(settings.data_dir, url).probe()
    except ValueError as error:
        return [_finding(Status.FAIL, f"{url} is no store", str(error))]
    except StoreUnreachable as error:
        todo = (
            f"It says {error}. Look at the store's name, region and credentials (AWS_…, GOOGLE_…, AZURE_… in this "
            "terminal's environment), and that they may put, get, list and delete. They wait on the disk meanwhile."
        )
        return [_finding(Status.FAIL, f"{url} can't be used from here", todo)]
    return [_finding(Status.OK, f"{url} takes, gives back and deletes")]


def _finding(status: Status, found: str, todo: str | None = None) -> Finding:
    return Finding(subject=SUBJECT, status=status, found=found, todo=todo)
