"""Where Telnyx handles calls: a domain a region, with the same keys, applications and numbers in all of them.

Telnyx prefers the region and doesn't promise it. The media of incoming calls goes to the application's AnchorSite.
Source: developers.telnyx.com/docs/account-setup/regional-endpoints and
docs/voice/programmable-voice/voice-api-services-in-europe.
"""

from outdial.carriers.kind import Region

VERSION = "/v2"

REGIONS = (
    Region(name="us", place="United States", url="https://api.telnyx.com"),
    Region(name="eu", place="Frankfurt", url="https://api.telnyx.eu"),
    Region(name="au", place="Sydney", url="https://api.telnyx.com.au"),
)
