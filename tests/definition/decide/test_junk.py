"""Made-up names, disposable addresses and impossible numbers are found; people with unusual ones
are left in peace."""

from typing import Any

import numpy as np
import pytest

from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.definition.decide.junk import contact_columns, find_junk, unreachable
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition, Junk


def definition(**junk: Any) -> Definition:
    return definition_from(
        {"outcome": {"won": ["W"]}, "columns": {"status": "S"}, "junk": junk}, "test"
    )


def found(what: Definition, **columns: list[str | None]) -> list[str | None]:
    features = FeatureTable(
        len(next(iter(columns.values()))),
        {name.replace("_", " "): CategoricalColumn.of(values) for name, values in columns.items()},
    )
    words = find_junk(what, features)
    return [None if code < 0 else words.vocabulary[code] for code in words.codes.tolist()]


@pytest.mark.parametrize(
    "name",
    [
        "Mickey Mouse",
        "MICKEY  MOUSE",
        "test",
        "Test Test",
        "asdf",
        "xxx",
        "Foo Bar",
        "???",
        "Max Mustermann",
    ],
)
def test_made_up_names(name: str) -> None:
    assert found(definition(), Name=[name]) == ["the name is made up"]


@pytest.mark.parametrize(
    "name",
    [
        "Mickey Rourke",
        "Bo Li",
        "O. Mouse",
        "Anna Test-Meyer",
        "Testa Rossa",
        "Xi",
        "1001",
        None,
        "Lee Lead",
    ],
)
def test_real_names(name: str | None) -> None:
    assert found(definition(), Name=[name]) == [None]


def test_first_and_last_names_are_read_together() -> None:
    names = found(
        definition(),
        First_Name=["Mickey", "Mickey", "Ann", "Test", None],
        Last_Name=["Mouse", "Lee", "Mouse", None, None],
    )
    assert [name is not None for name in names] == [True, False, False, True, False]


@pytest.mark.parametrize(
    "address",
    ["a@mailinator.com", "A@Mailinator.COM", "a@x.yopmail.com", "@acme.com", "ann@localhost"],
)
def test_disposable_addresses(address: str) -> None:
    assert found(definition(), Email=[address]) == ["the e-mail address is disposable"]


@pytest.mark.parametrize(
    "address", ["ann@acme.com", "ann@notmailinator.com", "5f4dcc3b5aa765d61d8327deb882cf99", None]
)
def test_real_or_pseudonymous_addresses(address: str | None) -> None:
    assert found(definition(), Email=[address]) == [None]


@pytest.mark.parametrize(
    "phone",
    ["000000000", "123", "1234567", "12345678901234567", "+1 (212) 555-0123", "555 555 5555"],
)
def test_impossible_numbers(phone: str) -> None:
    assert found(definition(), Phone=[phone]) == ["the telephone number cannot exist"]


@pytest.mark.parametrize(
    "phone",
    ["+49 30 901820", "(212) 736-5000", "212-736-5000 ext. 12", "0176/12345699", "a1b2c3", None],
)
def test_possible_numbers(phone: str | None) -> None:
    assert found(definition(), Phone=[phone]) == [None]


def test_a_telephone_number_that_was_read_as_a_number() -> None:
    words = find_junk(
        definition(),
        FeatureTable(2, {"Phone": NumericColumn(np.array([2127365000.0, 11111111.0]))}),
    )
    assert words.codes.tolist() == [-1, 2]


def test_the_definition_adds_names_domains_numbers_and_cases() -> None:
    what = definition(
        names=["Hans Wurst"],
        email_domains=["@rival.com"],
        phones=["+49 30 1234"],
        rule=[{"says": "Our own people", "when": [{"field": "Company", "any_of": ["Acme"]}]}],
    )
    assert found(what, Name=["hans wurst"]) == ["the name is made up"]
    assert found(what, Email=["a@rival.com"]) == ["the e-mail address is disposable"]
    assert found(what, Phone=["0049301234", "+49301234"]) == [
        None,
        "the telephone number cannot exist",
    ]
    assert found(what, Company=["acme", "Other"]) == ["Our own people", None]


def test_columns_are_recognised_or_named() -> None:
    columns = ["E-mail Address", "First Name", "Mobile Phone", "Company", "Kontakt"]
    told = contact_columns(Junk(), columns)
    assert (told.name, told.email, told.phone) == (
        ("First Name",),
        ("E-mail Address",),
        ("Mobile Phone",),
    )
    assert contact_columns(Junk(email=("Kontakt",)), columns).every == (
        "First Name",
        "Kontakt",
        "Mobile Phone",
    )


def test_who_has_neither_address_nor_number_cannot_be_reached() -> None:
    features = FeatureTable(
        4,
        {
            "Email": CategoricalColumn.of(["a@b.com", None, "a@b.com", None]),
            "Phone": CategoricalColumn.of(["1", "1", None, None]),
        },
    )
    assert unreachable(definition(), features).tolist() == [False, False, False, True]
    assert not unreachable(
        definition(), FeatureTable(4, {"Company": CategoricalColumn.of([None] * 4)})
    ).any()


def test_junk_may_be_switched_off() -> None:
    features = FeatureTable(
        1, {"Name": CategoricalColumn.of(["Mickey Mouse"]), "Email": CategoricalColumn.of([None])}
    )
    assert find_junk(definition(off=True), features).codes.tolist() == [-1]
    assert not unreachable(definition(off=True), features).any()
