"""What must be true of what was kept: recordings, and what waits on hosts' disks."""

from collections.abc import Iterator

from chaos.evidence import Evidence
from chaos.invariants.finding import invariant


@invariant("No file is left unfinished")
def no_file_left(evidence: Evidence) -> Iterator[str]:
    yield from evidence.left_files


@invariant("Every recording is in the store, and whole")
def recordings_kept(evidence: Evidence) -> Iterator[str]:
    stored = {each.name: each for each in evidence.stored}
    for call in evidence.books.calls:
        if call.recording is None:
            continue
        recording = stored.get(call.recording)
        if recording is None:
            yield f"{call.id}: its recording is nowhere"
        elif not recording.is_whole:
            yield f"{call.id}: {recording.size} bytes, and its header tells of {recording.audio_bytes}"


@invariant("Every talk has its recording")
def talks_recorded(evidence: Evidence) -> Iterator[str]:
    for call in evidence.books.calls:
        if call.turns and call.recording is None:
            yield f"{call.id}: {call.turns} turns, and no recording"


@invariant("Every recording is a call's")
def no_stray_recording(evidence: Evidence) -> Iterator[str]:
    """The call knows the one of its newest conversation; those before lie beside it."""
    known = {call.recording.rpartition("/")[0] for call in evidence.books.calls if call.recording is not None}
    strays = (each for each in evidence.stored if each.name.rpartition("/")[0] not in known)
    yield from (f"{each.name}: no call has it" for each in strays)
