"""Who answered, on the corpus: `make answers`. Or `python -m bench.answers train`, which makes the weights anew, and
`short`, which makes the short form that the tests run.
"""

import argparse
import asyncio
import importlib.resources
import json
import time
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from bench.answers.corpus import openings
from bench.answers.scoring import as_recorded, confusion, operating_point, outcome, report
from bench.answers.streams import stored_stream
from bench.answers.voices import speakers

CACHE = Path(".outdial/bench/answers")
SHORT = Path("tests/conversation/detection/streams.json")
SIZES = {"train": 250, "more": 300, "varied": 290, "test": 420}
SHORT_OF_A_KIND = 3
POINTS = (0.4, 0.5, 0.55, 0.75, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="test", choices=["test", "train", "short"])
    parser.add_argument("--count", type=int, help="of openings; default: all of the split")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where voices and streams are kept")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--through", choices=["twilio", "vonage", "telnyx"], help="the product, by this carrier")
    parser.add_argument("--at-once", type=int, default=4, help="calls through the product")
    given = parser.parse_args()
    missing = 8 - len(speakers("test"))
    if missing:
        print(f"{missing} of 8 voices are missing (apt install flite espeak-ng): this is another corpus.")
    splits = ("train", "more", "varied") if given.what == "train" else ("test",)
    began = time.monotonic()
    streams = [
        one
        for split in splits
        for one in _streams(split, given.count or SIZES[split], given.cache, given.processes)
    ]  # fmt: skip
    print(f"{len(streams)} openings to {given.what}, {sum(one['duration_ms'] for one in streams) / 60000:.0f} min "
          f"of audio; {time.monotonic() - began:.0f} s to make or read them.\n")  # fmt: skip
    if given.what == "train":
        _train(streams)
    elif given.what == "short":
        _shorten(streams)
    elif given.through:
        from bench.answers.through import measure

        played = list(openings("test", range(len(streams)), given.cache / "voices"))
        asyncio.run(measure(played, streams, given.through, given.at_once))
    else:
        _score(streams)


def _score(streams: list[dict[str, Any]]) -> None:
    for title, words in (("With words", True), ("By timing and tones alone", False)):
        began = time.process_time()
        outcomes = [outcome(one, words=words) for one in streams]
        took_ms = (time.process_time() - began) * 1000 / len(streams)
        print(f"{title} (the judge takes {took_ms:.0f} ms CPU an opening)")
        print("\n".join([*report(outcomes), "", *confusion(outcomes), ""]))
    print("\n".join(["With words, as the record of a call tells it once the call is over, without a reply:",
                     *report([as_recorded(one) for one in streams]), ""]))  # fmt: skip
    print("Hung up on, with words, by the least likelihood of a machine (with two cues, and nobody talking behind):")
    for certain in POINTS:
        print(operating_point(certain, [outcome(one, certain=certain) for one in streams]))


def _train(streams: list[dict[str, Any]]) -> None:
    from bench.answers.training import weights_of, write

    path = Path(str(importlib.resources.files("outdial.conversation.detection").joinpath("weights.json")))
    write(weights_of(streams), path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def _shorten(streams: list[dict[str, Any]]) -> None:
    """A few of each kind, whatever the detector makes of them."""
    taken: dict[str, list[dict[str, Any]]] = {}
    for one in streams:
        if len(taken.setdefault(one["kind"], [])) < SHORT_OF_A_KIND:
            taken[one["kind"]].append(one)
    lines = [json.dumps(one, separators=(",", ":")) for of_a_kind in taken.values() for one in of_a_kind]
    SHORT.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(f"{SHORT}: {len(lines)} openings, {SHORT.stat().st_size / 1000:.0f} kB")


def _streams(split: str, count: int, cache: Path, processes: int) -> Iterator[dict[str, Any]]:
    places = [(split, count, place, processes, cache) for place in range(processes)]
    with Pool(processes) as pool:
        parts = pool.map(_part, places, chunksize=1)
    yield from sorted((one for part in parts for one in part), key=lambda one: str(one["name"]))


def _part(given: tuple[str, int, int, int, Path]) -> list[dict[str, Any]]:
    """Every so-many-th opening."""
    split, count, first, step, cache = given
    places = range(first, count, step)
    return [stored_stream(one, cache / "streams") for one in openings(split, places, cache / "voices")]


if __name__ == "__main__":
    main()
