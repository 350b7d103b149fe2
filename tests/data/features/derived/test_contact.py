"""Contact data tell the kind of an address and its country, never the address."""

import pytest

from winnable.data.features.derived.contact import (
    email_country,
    email_provider,
    is_the_companys,
    phone_country,
)


@pytest.mark.parametrize(
    ("address", "provider", "country"),
    [
        ("Max.Muster@Siemens-Logistik.de", "company", "DE"),
        ("anna@acme.co.uk ", "company", "GB"),
        ("joe@startup.io", "company", None),
        ("joe.doe@gmail.com", "free-mail", None),
        ("lea@web.de", "free-mail", "DE"),
        ("x@mailinator.com", "disposable", None),
        ("x@mail.mailinator.com", "disposable", None),
        ("prof@mit.edu", "education", None),
        ("prof@cs.ox.ac.uk", "education", "GB"),
        ("prof@uni-bonn.de", "education", "DE"),
        ("clerk@city.gov.au", "government", "AU"),
        ("clerk@interieur.gouv.fr", "government", "FR"),
        ("clerk@bmi.bund.de", "government", "DE"),
        ("university-friend@education-first.com", "company", None),
        ("no address", None, None),
    ],
)
def test_an_address_tells_its_provider_and_country(
    address: str, provider: str | None, country: str | None
) -> None:
    assert email_provider(address) == provider
    assert email_country(address) == country


@pytest.mark.parametrize(
    ("address", "company", "match"),
    [
        ("a@ulberand-trading.example", "Ulberand Trading", "the company's"),
        ("a@mail.acme.co.uk", "ACME Holdings Ltd", "the company's"),
        ("a@ibm.com", "International Business Machines", "the company's"),
        ("a@fenaford.com", "https://www.fenaford.com/about", "the company's"),
        ("a@zebra.com", "Fenaford Supply", "another's"),
        ("a@gmail.com", "Fenaford Supply", None),
        ("a@fenaford.com", "self-employed", None),
        ("nothing", "Fenaford Supply", None),
    ],
)
def test_an_address_tells_whether_it_is_the_companys(
    address: str, company: str, match: str | None
) -> None:
    assert is_the_companys(address, company) == match


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+49 30 901820", "DE"),
        ("0049-30-901820", "DE"),
        ("+1 650 253 0000", "US"),
        ("+1 (416) 555-0123", "CA"),
        ("+44 20 7946 0018", "GB"),
        ("+353 1 234 5678", "IE"),
        ("030 901820", "not told"),
        ("+", "not told"),
        ("+999", "not told"),
        ("call me", "not told"),
    ],
)
def test_a_telephone_number_tells_its_country(number: str, country: str) -> None:
    assert phone_country(number) == country
