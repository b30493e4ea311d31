"""The credentials of a carrier account: whether they are what its carrier asks for."""

from outdial.carriers.kind import CarrierKind, Credentials
from outdial.refusals import Invalid

MAX_CHARS = 10_000  # a private key in PEM fits


def check_credentials(kind: CarrierKind, credentials: Credentials) -> None:
    """Raises Invalid unless these are what the carrier asks for."""
    known = {field.name for field in kind.credential_fields}
    for name, value in credentials.items():
        if name not in known:
            wanted = ", ".join(sorted(known))
            raise Invalid(f"credentials.{name}"[:100], f"is not a credential of this carrier ({wanted})")
        if not 0 < len(value) <= MAX_CHARS:
            raise Invalid(f"credentials.{name}", f"must have 1 to {MAX_CHARS} characters")
    for field in kind.credential_fields:
        if field.required and field.name not in credentials:
            raise Invalid(f"credentials.{field.name}", "is required")
        if field.choices and credentials.get(field.name, field.choices[0]) not in field.choices:
            raise Invalid(f"credentials.{field.name}", f"must be {' or '.join(field.choices)}")
