"""The words that English readings are made of: data, and the patterns that name them."""

import re
from collections.abc import Iterable

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_OF = {month[:3].lower(): month for month in MONTHS}
WEEKDAY_OF = {weekday[:3].lower(): weekday for weekday in WEEKDAYS}

TITLES = {
    "dr": "Doctor", "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "rev": "Reverend",
    "hon": "Honorable", "capt": "Captain", "sgt": "Sergeant", "lt": "Lieutenant", "gen": "General", "sen": "Senator",
    "gov": "Governor", "mt": "Mount", "ft": "Fort", "st": "Saint",
}  # fmt: skip

# Written with their full stop, except where they are no words without it either.
ABBREVIATIONS = {
    "etc.": "etcetera", "e.g.": "for example", "i.e.": "that is", "vs.": "versus", "vs": "versus",
    "approx.": "approximately", "dept.": "department", "appt.": "appointment", "appts.": "appointments",
    "max.": "maximum", "misc.": "miscellaneous", "tel.": "telephone", "temp.": "temperature",
    "incl.": "including", "excl.": "excluding", "acct.": "account", "acct": "account", "addr.": "address",
    "avg.": "average", "bldg.": "building", "bldg": "building", "asst.": "assistant", "mgr.": "manager",
    "dir.": "director", "govt.": "government", "intl.": "international", "natl.": "national", "univ.": "university",
    "assn.": "association", "bros.": "brothers", "inc.": "incorporated", "corp.": "corporation", "ltd.": "limited",
    "jr.": "junior", "jr": "junior", "sr.": "senior", "sr": "senior", "a.k.a.": "also known as", "w/o": "without",
    "w/": "with", "b/c": "because", "thru": "through", "esp.": "especially", "ref.": "reference",
    "attn.": "attention", "attn": "attention", "mins": "minutes", "mins.": "minutes",
    "hrs.": "hours", "hrs": "hours", "yrs.": "years", "yrs": "years",
    "wks.": "weeks", "secs": "seconds", "p.o. box": "P O box", "po box": "P O box",
    "co.": "company", "ave.": "avenue", "blvd.": "boulevard", "blvd": "boulevard", "hwy.": "highway",
}  # fmt: skip

STREETS = {
    "st": "Street", "ave": "Avenue", "av": "Avenue", "blvd": "Boulevard", "rd": "Road", "dr": "Drive", "ln": "Lane",
    "ct": "Court", "pl": "Place", "sq": "Square", "hwy": "Highway", "pkwy": "Parkway", "cir": "Circle",
    "ter": "Terrace", "terr": "Terrace", "trl": "Trail", "expy": "Expressway", "fwy": "Freeway", "aly": "Alley",
    "plz": "Plaza", "xing": "Crossing",
}  # fmt: skip
ROOMS = {"apt": "apartment", "ste": "suite", "rm": "room", "fl": "floor", "bldg": "building"}
DIRECTIONS = {
    "n": "North", "s": "South", "e": "East", "w": "West", "ne": "Northeast", "nw": "Northwest", "se": "Southeast",
    "sw": "Southwest",
}  # fmt: skip
STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "DC": "D C",
}  # fmt: skip

# One, several, and the hundredth where people name it.
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"), "US$": ("dollar", "dollars", "cent", "cents"),
    "USD": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "GBP": ("pound", "pounds", "penny", "pence"), "¥": ("yen", "yen", "", ""), "JPY": ("yen", "yen", "", ""),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CA$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "AU$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "MX$": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "MXN": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "CHF": ("Swiss franc", "Swiss francs", "", ""), "₹": ("rupee", "rupees", "paisa", "paise"),
    "INR": ("rupee", "rupees", "paisa", "paise"), "SEK": ("Swedish krona", "Swedish kronor", "", ""),
    "NOK": ("Norwegian krone", "Norwegian kroner", "", ""), "DKK": ("Danish krone", "Danish kroner", "", ""),
    "CNY": ("yuan", "yuan", "", ""), "KRW": ("won", "won", "", ""), "₩": ("won", "won", "", ""),
    "BRL": ("Brazilian real", "Brazilian reals", "", ""), "PLN": ("zloty", "zlotys", "", ""),
}  # fmt: skip
SCALES = {"k": "thousand", "m": "million", "mm": "million", "mn": "million", "b": "billion", "bn": "billion",
          "t": "trillion"}  # fmt: skip

# One and several. Case counts: "5 M" is no length, and "MB" not "Mb".
UNITS = {
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"), "mi": ("mile", "miles"), "yd": ("yard", "yards"), "ft": ("foot", "feet"),
    "ft.": ("foot", "feet"), "in.": ("inch", "inches"), "sq ft": ("square foot", "square feet"),
    "sq. ft.": ("square foot", "square feet"), "sqft": ("square foot", "square feet"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "mcg": ("microgram", "micrograms"),
    "g": ("gram", "grams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "lb.": ("pound", "pounds"),
    "lbs.": ("pound", "pounds"), "oz": ("ounce", "ounces"), "oz.": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"), "L": ("liter", "liters"),
    "gal": ("gallon", "gallons"), "gal.": ("gallon", "gallons"), "mph": ("mile per hour", "miles per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
    "GB": ("gigabyte", "gigabytes"), "MB": ("megabyte", "megabytes"), "KB": ("kilobyte", "kilobytes"),
    "TB": ("terabyte", "terabytes"), "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"), "kWh": ("kilowatt hour", "kilowatt hours"),
    "kW": ("kilowatt", "kilowatts"), "MW": ("megawatt", "megawatts"), "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"),
    "min": ("minute", "minutes"), "min.": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "h": ("hour", "hours"), "sec": ("second", "seconds"),
    "secs": ("second", "seconds"), "s": ("second", "seconds"), "ms": ("millisecond", "milliseconds"),
    "yr": ("year", "years"), "yrs": ("year", "years"), "mo": ("month", "months"), "mos": ("month", "months"),
    "wk": ("week", "weeks"), "wks": ("week", "weeks"), "km²": ("square kilometer", "square kilometers"),
    "m²": ("square meter", "square meters"), "pt": ("point", "points"), "pts": ("point", "points"),
    "V": ("volt", "volts"), "W": ("watt", "watts"), "hp": ("horsepower", "horsepower"),
    "tsp": ("teaspoon", "teaspoons"), "tbsp": ("tablespoon", "tablespoons"),
    "bpm": ("beat per minute", "beats per minute"), "psi": ("P S I", "P S I"),
}  # fmt: skip

# What stands before a number that is read digit by digit, however long it is; and, from three digits on.
CODES = (
    "code", "codes", "pin", "zip", "passcode", "password", "postcode", "ending in", "ending with", "ends in",
    "ends with", "extension", "digits", "routing", "otp", "ssn", "cvv", "cvc",
)  # fmt: skip
NUMBERED = (
    "account", "order", "confirmation", "reference", "tracking", "invoice", "ticket", "case", "policy", "member",
    "customer", "claim", "booking", "reservation", "id", "number", "serial", "card", "phone", "fax", "license",
    "prescription", "patient", "request", "transaction", "loan", "ref", "rx", "acct", "conf",
)  # fmt: skip
# What stands before a number that is read in pairs: "room 204".
PLACES = (
    "room", "suite", "apartment", "unit", "building", "gate", "route", "highway", "interstate", "bus", "flight",
    "channel", "box", "exit", "train", "office", "lot", "locker", "form", "pier",
)  # fmt: skip
DOMAINS = (
    "com", "org", "net", "edu", "gov", "mil", "info", "biz", "io", "co", "us", "ca", "uk", "au", "nz", "ie", "de",
    "fr", "es", "eu", "app", "dev", "ai", "health", "care", "dental", "clinic", "shop", "store", "online", "site",
    "me", "tv", "law", "bank", "school",
)  # fmt: skip
SPELLED_DOMAINS = ("io", "us", "ca", "uk", "au", "nz", "ie", "de", "fr", "es", "eu", "ai", "tv")


def either(words: Iterable[str]) -> str:
    """A pattern of any of `words`, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
