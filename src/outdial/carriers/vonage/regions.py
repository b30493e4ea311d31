"""Where Vonage handles calls: ours at the host they are sent to, those that come in as the application says.

The first host is the nearest data centre's; `us`, `eu` and `ap` have a second data centre to fall back to.
Sources: developer.vonage.com/en/voice/voice-api/concepts/regions, en/api/application.v2 (`region`).
"""

from collections.abc import Mapping

from outdial.carriers.kind import Region

REGIONS = (
    Region(name="nearest", place="nearest data centre", url="https://api.nexmo.com"),
    Region(name="us", place="Virginia, else Oregon", url="https://api-us.vonage.com"),
    Region(name="us-3", place="Virginia", url="https://api-us-3.vonage.com"),
    Region(name="us-4", place="Oregon", url="https://api-us-4.vonage.com"),
    Region(name="eu", place="Dublin, else Frankfurt", url="https://api-eu.vonage.com"),
    Region(name="eu-3", place="Dublin", url="https://api-eu-3.vonage.com"),
    Region(name="eu-4", place="Frankfurt", url="https://api-eu-4.vonage.com"),
    Region(name="ap", place="Singapore, else Sydney", url="https://api-ap.vonage.com"),
    Region(name="ap-3", place="Singapore", url="https://api-ap-3.vonage.com"),
    Region(name="ap-4", place="Sydney", url="https://api-ap-4.vonage.com"),
)

_OF_APPLICATIONS = {
    "us": "na-east",
    "us-3": "na-east",
    "us-4": "na-west",
    "eu": "eu-west",
    "eu-3": "eu-west",
    "eu-4": "eu-east",
    "ap": "apac-sng",
    "ap-3": "apac-sng",
    "ap-4": "apac-australia",
}

# An application's word for the region of a host.
APPLICATION_REGIONS: Mapping[str, str] = {
    region.url: _OF_APPLICATIONS[region.name] for region in REGIONS if region.name in _OF_APPLICATIONS
}
