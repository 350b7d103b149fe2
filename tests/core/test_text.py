"""Words for people: percentages and articles."""

import pytest

from winnable.core.text import percent, percent_range, with_article


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.001, "<1%"), (0.006, "1%"), (0.844, "84%"), (0.999, "100%"), (1.0, "100%")],
)
def test_a_percentage_is_whole_and_never_hides_a_small_chance(share: float, text: str) -> None:
    assert percent(share) == text


def test_an_interval_names_its_unit_once() -> None:
    assert percent_range(0.79, 0.861) == "79–86%"
    assert percent_range(0.002, 0.031) == "<1–3%"
    assert percent_range(0.08, 0.081) == "8%"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Enquiry", "an Enquiry"),
        ("opportunity", "an opportunity"),
        ("lead", "a lead"),
        ("MQL", "an MQL"),
        ("CQL", "a CQL"),
        ("NEW LEAD", "a NEW LEAD"),
        ("", "a "),
    ],
)
def test_a_label_has_the_article_of_its_first_sound(label: str, text: str) -> None:
    assert with_article(label) == text
