"""The country a number belongs to, as an outbound voice profile's `whitelisted_destinations` goes by it."""

_TABLE = """
7 RU  20 EG  27 ZA  30 GR  31 NL  32 BE  33 FR  34 ES  36 HU  39 IT  40 RO  41 CH  43 AT  44 GB  45 DK  46 SE
47 NO  48 PL  49 DE  51 PE  52 MX  54 AR  55 BR  56 CL  57 CO  60 MY  61 AU  62 ID  63 PH  64 NZ  65 SG  66 TH
81 JP  82 KR  84 VN  86 CN  90 TR  91 IN  92 PK  94 LK  212 MA  234 NG  254 KE  351 PT  352 LU  353 IE  354 IS
356 MT  357 CY  358 FI  359 BG  370 LT  371 LV  372 EE  380 UA  381 RS  385 HR  386 SI  420 CZ  421 SK  852 HK
880 BD  886 TW  962 JO  965 KW  966 SA  971 AE  972 IL  974 QA
"""
COUNTRIES = dict(pair.split() for pair in _TABLE.replace("\n", "  ").strip().split("  "))
NORTH_AMERICA = frozenset({"US", "CA"})  # +1: the area codes are not told apart


def countries_of(number: str) -> frozenset[str]:
    """ISO codes; empty for a calling code that isn't in the table."""
    digits = number.removeprefix("+")
    if digits.startswith("1"):
        return NORTH_AMERICA
    for length in (3, 2, 1):
        if digits[:length] in COUNTRIES:
            return frozenset({COUNTRIES[digits[:length]]})
    return frozenset()
