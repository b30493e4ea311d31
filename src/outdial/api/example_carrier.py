"""The carrier of the API document's examples, and what an account of each is connected with."""

from outdial.carriers.registry import CARRIERS, default_carrier

CARRIER = default_carrier()
ACCOUNT = CARRIER.account_ref(CARRIER.credential_example)
CREDENTIALS = {kind.name: kind.credential_example for kind in CARRIERS.values()}
SECRET = {field.name: field.example for field in CARRIER.credential_fields if field.required and field.secret}
REGIONS = "; ".join(
    f"{kind.label}: {', '.join(f'`{region.name}`' for region in kind.regions)}" for kind in CARRIERS.values()
)
UNREACHABLE = f"{CARRIER.label} can't be asked now: {CARRIER.label} could not be reached."
