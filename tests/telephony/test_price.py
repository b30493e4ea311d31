from decimal import Decimal

from outdial.telephony.price import Price


def test_a_price_is_text_so_that_no_digit_of_it_is_lost():
    price = Price(amount="0.0070", currency="USD")
    assert str(Decimal(price.amount)) == "0.0070"
    assert price == Price(amount="0.0070", currency="USD") != Price(amount="0.007", currency="USD")
