"""The same person has the same key in every record, and two people never share one for being called
alike."""

import pytest

from winnable.core.identity import account_key, normal_email, person_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Acme.com", " ann@acme.com "),
        ("ann+webinar@acme.com", "ann@acme.com"),
        ("a.n.n@gmail.com", "ann@googlemail.com"),
        ("Ann Lee <ann@acme.com>", "mailto:ann@acme.com"),
        ("ann@acme.com.", "ann@acme.com"),
    ],
)
def test_one_address_in_several_forms(one: str, other: str) -> None:
    assert normal_email(one) == normal_email(other) is not None


def test_dots_matter_elsewhere_than_at_gmail() -> None:
    assert normal_email("a.nn@acme.com") != normal_email("ann@acme.com")


@pytest.mark.parametrize(
    "value", ["", "ann", "ann@", "@acme.com", "ann@localhost", "ann@a cme.com"]
)
def test_what_is_no_address(value: str) -> None:
    assert normal_email(value) is None


def test_the_key_is_the_address_else_name_and_company() -> None:
    assert person_key("Ann@acme.com", "Ann Lee", "Acme") == "ann@acme.com"
    assert person_key("C-100", None, None) == person_key("c-100 ", "Ann", "Acme")
    assert (
        person_key(None, "Ánn  Lee", "Acme, Inc.")
        == person_key("n/a", "ann lee", "ACME GmbH")
        == "ann lee @ acme"
    )
    assert person_key(None, "Ann Lee", "Acme") != person_key(None, "Ann Lee", "Other")
    assert person_key(None, "Ann Lee", None) is None
    assert person_key(None, None, "Acme") is None
    assert person_key(None, "Ann", "AG") == "ann @ ag"


@pytest.mark.parametrize(
    "name",
    [
        "ACME",
        "Acme Inc.",
        "Acmé, Inc",
        "acme  GmbH & Co. KG",
        "Acme S.p.A.",
        "Acme B.V.",
        "Acme Ltda",
    ],
)
def test_an_account_has_one_key_in_every_spelling(name: str) -> None:
    assert account_key(name) == "acme"


def test_different_accounts_stay_apart() -> None:
    names = ["Acme", "Acme Energy", "SE Consulting", "Consulting", "AB Volvo", "GmbH", "0012", "12"]
    assert len({account_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "value", ["acme.com", "www.acme.com", "https://Acme.com/about?x=1", "Ann <ann@ACME.com>"]
)
def test_a_website_and_an_address_tell_the_domain(value: str) -> None:
    assert account_key(value) == "acme.com"


@pytest.mark.parametrize(
    "value",
    [None, "", "n/a", "ann@gmail.com", "a@web.de", "x@mailinator.com", "Privat", "Self-employed"],
)
def test_what_tells_no_account(value: str | None) -> None:
    assert account_key(value) is None


def test_ids_that_differ_by_a_capital_alone_are_of_two_accounts() -> None:
    assert account_key("0015g00000AbCdE") != account_key("0015g00000AbCde")


def test_a_page_at_a_social_network_tells_no_account() -> None:
    for website in ("https://www.linkedin.com/company/acme", "de.linkedin.com/company/other"):
        assert account_key(website) is None
    assert account_key("ines@linkedin.com") == "linkedin.com"
