"""What is asked for when a number is connected."""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

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
class GivenAccount:
    """A carrier account as somebody gives it, who may have numbers there.

    `region` is where the account's calls are handled, one of the carrier's; `base_url` sends its requests elsewhere
    instead (a simulator): that is for operators, not for API users. What is None of an account that is known stays.
    """

    carrier: CarrierName
    credentials: Credentials = field(repr=False)
    region: str | None = None
    base_url: str | None = None

    @property
    def kind(self) -> CarrierKind:
        return CARRIERS[self.carrier]

    @property
    def account_ref(self) -> str:
        """What the carrier calls the account."""
        return self.kind.account_ref(self.credentials)

    def check(self) -> None:
        """Raises Invalid for a carrier we don't know, and for what can't be its credentials."""
        if self.carrier not in CARRIERS:
            raise Invalid("carrier", f"must be one of: {', '.join(CARRIERS)}")
        check_credentials(self.kind, self.credentials)

    def checked(self) -> Self:
        """As it is kept. Raises Invalid as `check`, and for what is no place for requests to go."""
        self.check()
        return replace(self, base_url=check_place(self.carrier, self.region, self.base_url))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNumber(GivenAccount):
    """A number, and the carrier account it belongs to. `name` is the number itself where it has none.

    Without `configure_carrier` nothing is changed at the carrier: the number only dials out.
    """

    e164: str
    name: str | None = None
    agent_id: str | None = None
    agent_version: Version = "published"
    direction: Direction = "both"
    configure_carrier: bool = True
    calls_per_second: float | None = None

    def check(self) -> None:
        """Raises Invalid for what can't be a number of a carrier we know, and the credentials of its account."""
        GivenAccount.check(self)
        try:
            parse_e164(self.e164)
        except ValueError as error:
            raise Invalid("e164", str(error)) from None

    def checked(self) -> "NewNumber":
        return replace(GivenAccount.checked(self), e164=parse_e164(self.e164))
