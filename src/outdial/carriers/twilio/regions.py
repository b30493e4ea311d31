"""Where Twilio handles calls: https://api.<edge>.<region>.twilio.com.

Only regions with media streams, each through its own edge: REST requests can choose no other. Regions know nothing of
each other: each has its own auth token, API keys and calls, and its own settings of every number.
Source: twilio.com/docs/global-infrastructure/using-the-twilio-rest-api-in-a-non-us-region and
.../edge-locations/legacy-regions.
"""

from outdial.carriers.kind import Region

REGIONS = (
    Region(name="us1", place="United States", url="https://api.twilio.com"),
    Region(name="ie1", place="Ireland", url="https://api.dublin.ie1.twilio.com"),
    Region(name="au1", place="Australia", url="https://api.sydney.au1.twilio.com"),
)
