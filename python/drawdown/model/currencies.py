"""Currencies: the codes of ISO 4217 in use, and how many decimals each has (its minor unit)."""

from typing import Final

from drawdown.errors import InvalidRequestError

_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
    MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
    USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

DECIMALS: Final[dict[str, int]] = {
    code: decimals for decimals, codes in _CODES.items() for code in codes.split()
}
"""Digits after the point of each currency: JPY 0, USD 2, KWD 3."""


def decimals_of(currency: str, field: str = "currency") -> int:
    """Digits after the point; raises ``InvalidRequestError`` naming ``field`` for an unknown code."""
    try:
        return DECIMALS[currency]
    except KeyError:
        raise InvalidRequestError(
            f"{field}: {currency[:16]!r} is not a currency; give a code of ISO 4217 in capitals, like EUR",
            field=field,
        ) from None
