"""What is asked for when a number is connected."""

from dataclasses import dataclass, field, replace
from typing import Literal

from outdial.accounts.access import check_place
from outdial.accounts.credentials import check_credentials
from outdial.carriers.kind import CarrierKind, Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.refusals import Invalid
from outdial.telephony.e164 import parse_e164

Direction = Literal["both", "inbound"]
Version = Literal["published", "draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNumber:
    """A number, and the carrier account it belongs to. `name` is the number itself where it has none.

    `region` is where the account's calls are handled, one of the carrier's; `base_url` sends its requests elsewhere
    instead (a simulator): that is for operators, not for API users. What is None of an account that is known stays.
    Without `configure_carrier` nothing is changed at the carrier: the number only dials out.
    """

    carrier: CarrierName
    e164: str
    credentials: Credentials = field(repr=False)
    name: str | None = None
    agent_id: str | None = None
    agent_version: Version = "published"
    direction: Direction = "both"
    configure_carrier: bool = True
    region: str | None = None
    base_url: str | None = None
    calls_per_second: float | None = None

    @property
    def kind(self) -> CarrierKind:
        return CARRIERS[self.carrier]

    @property
    def account_ref(self) -> str:
        """What the carrier calls the account."""
        return self.kind.account_ref(self.credentials)

    def check(self) -> None:
        """Raises Invalid for what can't be a number of a carrier we know, and the credentials of its account."""
        if self.carrier not in CARRIERS:
            raise Invalid("carrier", f"must be one of: {', '.join(CARRIERS)}")
        try:
            parse_e164(self.e164)
        except ValueError as error:
            raise Invalid("e164", str(error)) from None
        check_credentials(self.kind, self.credentials)

    def checked(self) -> "NewNumber":
        """As it is kept. Raises Invalid as `check`, and for what is no place for requests to go."""
        self.check()
        base_url = check_place(self.carrier, self.region, self.base_url)
        return replace(self, e164=parse_e164(self.e164), base_url=base_url)
