"""Encoding: every kind of column is read, and read alike when learning and when scoring."""

import json

import numpy as np
import pytest

from winnable.core.columns import CategoricalColumn, FeatureTable, NumericColumn
from winnable.learning.model.experts.encoding import (
    MISSING,
    RARE,
    Encoding,
    Owners,
    learn_encoding,
)

SIZE = 40


def features() -> FeatureTable:
    cities = ["Ulm", "Bonn"] * 15 + ["Kiel"] + [None] * 9
    return FeatureTable(
        SIZE,
        {
            "visits": NumericColumn(np.arange(SIZE, dtype=float)),
            "spent": NumericColumn(np.where(np.arange(SIZE) % 4 == 0, np.nan, 2.5)),
            "constant number": NumericColumn(np.ones(SIZE)),
            "empty number": NumericColumn(np.full(SIZE, np.nan)),
            "infinite": NumericColumn(np.where(np.arange(SIZE) % 2 == 0, np.inf, 1.0)),
            "city": CategoricalColumn.of(cities),
            "constant word": CategoricalColumn.of(["same"] * SIZE),
            "empty word": CategoricalColumn.of([None] * SIZE),
            "id": CategoricalColumn.of([f"L{i}" for i in range(SIZE)]),
            "only gaps": CategoricalColumn.of(["yes" if i % 3 else None for i in range(SIZE)]),
        },
    )


@pytest.fixture
def encoding() -> Encoding:
    return Encoding(json.loads(json.dumps(learn_encoding(features()))))


def test_columns_that_cannot_tell_are_left_out(encoding: Encoding) -> None:
    assert encoding.names == ("visits", "spent", "infinite", "city", "only gaps")


def test_words_get_codes_and_the_rest_is_rare_or_missing(encoding: Encoding) -> None:
    codes = encoding.encode(features(), np.zeros(SIZE)).codes[:, 0]
    assert set(codes[:30]) == {2, 3}
    assert codes[30] == RARE
    assert (codes[31:] == MISSING).all()
    assert encoding.level_counts == (4, 3)


def test_unseen_words_and_absent_columns(encoding: Encoding) -> None:
    seen = encoding.encode(
        FeatureTable(2, {"city": CategoricalColumn.of(["Rome", "Ulm"])}), np.zeros(2)
    )
    assert seen.codes[0, 0] == RARE
    assert seen.codes[1, 0] > RARE
    assert np.isnan(seen.numbers).all()
    assert (seen.codes[:, 1] == MISSING).all()


def test_words_where_numbers_were_learned_and_the_reverse(encoding: Encoding) -> None:
    wrong = FeatureTable(
        3,
        {
            "visits": CategoricalColumn.of(["7", "many", None]),
            "city": NumericColumn(np.array([1.0, np.nan, 2.0])),
        },
    )
    encoded = encoding.encode(wrong, np.zeros(3))
    np.testing.assert_array_equal(encoded.numbers[:, 0], [7.0, np.nan, np.nan])
    assert encoded.codes[:, 0].tolist() == [RARE, MISSING, RARE]


def test_infinite_is_missing(encoding: Encoding) -> None:
    numbers = encoding.encode(features(), np.zeros(SIZE)).numbers[:, 2]
    assert np.isnan(numbers[::2]).all()
    assert (numbers[1::2] == 1.0).all()


def test_the_order_of_rows_does_not_change_what_is_learned() -> None:
    shuffled = features().take(np.random.default_rng(0).permutation(SIZE))
    assert learn_encoding(shuffled) == learn_encoding(features())


def test_ways_of_writing_a_word_are_one_word() -> None:
    written = [
        "Trade Show",
        "trade-show",
        "TRADE SHOW",
        "Trade Show",
        "Web",
        "web",
        "C",
        "C",
        "C++",
    ]
    features = FeatureTable(len(written), {"Source": CategoricalColumn.of(written)})
    spec = learn_encoding(features)
    assert spec["words"] == [["Source", ["Trade Show", "C", "Web"]]]
    codes = Encoding(spec).encode(features, np.zeros(len(written))).codes[:, 0]
    assert codes.tolist() == [2, 2, 2, 2, 4, 4, 3, 3, RARE]
    asked = ["tradeshow ", "WEB.", "c#", "Fair"]
    unseen = FeatureTable(4, {"Source": CategoricalColumn.of(asked)})
    assert Encoding(spec).encode(unseen, np.zeros(4)).codes[:, 0].tolist() == [2, 4, RARE, RARE]


def test_ranges_of_the_same_digits_are_not_one_word() -> None:
    written = ["1-10", "1-10", "11-0", "11-0", "1 - 10"]
    features = FeatureTable(len(written), {"Size": CategoricalColumn.of(written)})
    assert learn_encoding(features)["words"] == [["Size", ["1-10", "11-0"]]]


def test_a_model_of_before_knows_words_as_they_were_written() -> None:
    spec = {"numbers": [], "words": [["Source", ["Web"]]]}
    features = FeatureTable(2, {"Source": CategoricalColumn.of(["Web", "web"])})
    assert Encoding(spec).encode(features, np.zeros(2)).codes[:, 0].tolist() == [2, RARE]


def test_a_word_of_one_person_is_not_kept_in_however_many_rows_it_stands() -> None:
    titles = ["Head", "Planner", "Dr Quinn's own title"] * 3
    person = np.array([0, 1, 2, 3, 4, 2, 5, 6, 2])
    features = FeatureTable(9, {"Title": CategoricalColumn.of(titles)})
    assert learn_encoding(features, Owners(person))["words"] == [["Title", ["Head", "Planner"]]]


def test_a_word_of_one_account_is_kept_only_where_many_people_share_it() -> None:
    size = 60
    account = np.array([0] * 5 + [1] * 25 + [2, 3] * 5 + [-1] * 20)
    words = ["Few"] * 5 + ["Many"] * 25 + ["Two"] * 10 + ["Not known"] * 20
    features = FeatureTable(size, {"Campaign": CategoricalColumn.of(words)})
    spec = learn_encoding(features, Owners(np.arange(size), account))
    assert spec["words"] == [["Campaign", ["Many", "Not known", "Two"]]]


def test_a_column_in_which_each_person_has_a_word_is_an_id_in_however_many_rows() -> None:
    person = np.repeat(np.arange(30), 4)
    features = FeatureTable(
        120, {"Badge": CategoricalColumn.of([f"badge {number}" for number in person])}
    )
    assert learn_encoding(features, Owners(person))["words"] == []
