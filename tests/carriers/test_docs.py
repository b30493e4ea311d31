"""docs/carriers.md says of each carrier what the program believes it can do."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from outdial.carriers.kind import Capabilities
from outdial.carriers.registry import CARRIERS
from outdial.carriers.telnyx import errors as telnyx_errors
from outdial.carriers.telnyx import mapping as telnyx_mapping
from outdial.carriers.twilio import errors as twilio_errors
from outdial.carriers.vonage import errors as vonage_errors
from outdial.carriers.vonage import mapping as vonage_mapping
from outdial.telephony import sip
from outdial.telephony.advice import AFTER_END, AFTER_FAILURE
from outdial.telephony.failures import FailureCode

DOCS = Path(__file__).parents[2] / "docs"

ROWS = {
    "ringing_event": "tells when the phone begins to ring",
    "declined": "tells a callee who declines from a busy line",
    "detection_of_fax": "tells a fax from a voicemail",
    "detection_unsure": "says so when it can't tell who answered",
    "price_in_callback": "tells the price with the call (otherwise minutes later, by look-up)",
    "agent_returns": "gives a call back to its agent when nobody takes the transfer",
    "warm_transfer": "has somebody asked before a call is transferred to them",
    "signed_streams": "signs the handshake of the audio connection",
    "idempotent_create": "the same dial sent twice rings once",
    "max_ring_timeout_s": "longest time a phone may ring",
    "calls_per_second": "new calls a second, of a new account",
}


Table = Mapping[object, tuple[FailureCode, str]]
FAILURES: Mapping[str, tuple[Table, ...]] = {
    "Twilio": (twilio_errors.REFUSALS,),
    "Vonage": (vonage_mapping.DETAILS, vonage_errors.REFUSALS, vonage_errors.PARAMETERS),
    "Telnyx": (telnyx_mapping.FAILURES, telnyx_errors.REFUSALS, telnyx_errors.BY_POINTER),
    "network (SIP)": (sip.FAILURES,),
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


def failures_told_by_others() -> str:
    lines = ["| word | meaning | " + " | ".join(FAILURES) + " |", "|---" * (len(FAILURES) + 2) + "|"]
    rows = (row(code, *(codes_for(code, tables) for tables in FAILURES.values())) for code in FailureCode if told(code))
    return "\n".join([*lines, *rows])


def failures_told_by_us() -> str:
    return "\n".join(["| word | meaning |", "|---|---|", *(row(code) for code in FailureCode if not told(code))])


def what_to_do() -> str:
    told = (*AFTER_END.items(), *AFTER_FAILURE.items())
    return "\n".join(["| word | what to do |", "|---|---|", *(f"| `{word}` | {text} |" for word, text in told)])


def test_the_table_of_what_to_do_next_is_true():
    assert what_to_do() in (DOCS / "carriers.md").read_text()


def told(code: FailureCode) -> bool:
    return any(codes_for(code, tables) for tables in FAILURES.values())


def codes_for(code: FailureCode, tables: Iterable[Table]) -> str:
    return ", ".join(f"`{theirs}`" for table in tables for theirs, (ours, _) in table.items() if ours is code)


def row(code: FailureCode, *cells: str) -> str:
    return "| " + " | ".join([f"`{code}`", code.meaning, *cells]) + " |"


def test_the_tables_of_why_calls_fail_are_true():
    page = (DOCS / "carriers.md").read_text()
    assert failures_told_by_others() in page
    assert failures_told_by_us() in page


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
