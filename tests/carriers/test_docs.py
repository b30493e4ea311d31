"""docs/carriers.md says of each carrier what the program believes it can do."""

from dataclasses import fields
from pathlib import Path

from outdial.carriers.base import Capabilities
from outdial.carriers.registry import CARRIERS

DOCS = Path(__file__).parents[2] / "docs"

ROWS = {
    "ringing_event": "tells when the phone begins to ring",
    "declined": "tells a callee who declines from a busy line",
    "detection": "answering machine detection, beside the conversation",
    "detection_message_end": "tells when a machine can be left a message",
    "detection_of_fax": "tells a fax from a voicemail",
    "detection_unsure": "says so when it can't tell who answered",
    "transfer": "transfer to another number",
    "send_digits": "sending digits by request (Outdial sends them as tones)",
    "inbound": "calls that come in",
    "price_in_callback": "tells the price with the call (otherwise minutes later, by lookup)",
    "signed_streams": "signs the handshake of the audio connection",
    "idempotent_create": "the same dial sent twice rings once",
    "max_ring_timeout_s": "longest time a phone may ring",
    "calls_per_second": "new calls a second, of a new account",
}


def words(name: str, value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g} s" if name.endswith("_s") else f"{value:g}"
    raise AssertionError(f"no words for {name}")


def table() -> str:
    kinds = CARRIERS.values()
    lines = [["", *(kind.label for kind in kinds)], ["---"] * (len(kinds) + 1)]
    for field in fields(Capabilities):
        values = (words(field.name, getattr(kind.capabilities, field.name)) for kind in kinds)
        lines.append([ROWS[field.name], *values])
    return "\n".join("|---" * len(line) + "|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines)


def test_the_table_of_what_carriers_can_do_is_true():
    assert table().replace("|  |", "| |") in (DOCS / "carriers.md").read_text()


def test_the_page_of_every_carrier_names_its_regions():
    for kind in CARRIERS.values():
        page = (DOCS / "carriers" / f"{kind.name}.md").read_text()
        for region in kind.regions:
            assert f"| `{region.name}` | {region.place} | {region.url.removeprefix('https://')} |" in page


def test_every_carrier_has_a_page_that_names_what_will_be_asked_for():
    for kind in CARRIERS.values():
        page = (DOCS / "carriers" / f"{kind.name}.md").read_text()
        for field in kind.credential_fields:
            assert f"`{field.name}`" in page
