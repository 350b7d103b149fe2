"""Drift: what is different about the leads of late, most important first, and what a model may
expect of itself among them.

Four questions are asked of two groups of leads, those of before and those since: are as many won,
do columns look different, do the scores, and can a classifier tell the groups apart by anything at
all? Every answer is held against what chance would show with so many leads, not against a constant
of folklore. While outcomes are open none of them sees *concept drift*, that the same leads are won
more or less often than before; once they are known, that is `reassessment`'s question.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.stats import chi2, norm
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from winnable.core.columns import (
    CategoricalColumn,
    Column,
    FeatureTable,
    FloatArray,
    IntArray,
    NumericColumn,
)
from winnable.core.statistics import log_losses, logit_of
from winnable.learning.model.experts.encoding import Encoded, Encoding, learn_encoding

SURE = 0.05  # the share of false alarms of each question where nothing has changed
BINS = 10
LEAST_EXPECTED = 5  # leads that either group would have in a bin; smaller bins are put together
MOST_COMPARED = (
    4000  # leads of either group that the classifier learns from; more do not make its answer surer
)
LEAST_LEADS = 50  # of either group, below which nothing but chance can be seen


@dataclass(frozen=True)
class Shift:
    """How far one column, or the score, has moved: its population stability index and what chance
    alone would reach.

    `says` is what moved most, in words; `p` the chance of such an index where nothing has changed.
    """

    name: str
    index: float
    threshold: float
    p: float
    says: str

    @property
    def moved(self) -> bool:
        """Whether chance is no explanation."""
        return self.index > self.threshold


@dataclass(frozen=True)
class Rates:
    """The shares won of the leads of before and of late whose horizon has passed, and the chance of
    such a difference."""

    old: float
    new: float
    old_leads: int
    new_leads: int
    p: float

    @property
    def moved(self) -> bool:
        """Whether chance is no explanation."""
        return self.p < SURE


@dataclass(frozen=True)
class Separability:
    """How well a classifier tells old leads from new ones on leads it has not seen, what chance
    would reach, and by what."""

    auc: float
    low: float
    high: float
    by: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether chance is no explanation."""
        return self.auc > self.high


@dataclass(frozen=True)
class Drift:
    """What is different about the `new` leads beside the `old` ones; what could not be asked is
    None."""

    old: int
    new: int
    rates: Rates | None
    score: Shift | None
    columns: tuple[Shift, ...]
    separability: Separability | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What changed, in sentences, most important first: outcomes, scores, then columns by how
        far they moved."""
        says = []
        if self.rates is not None and self.rates.moved:
            more = "more" if self.rates.new > self.rates.old else "fewer"
            instead = f"{100 * self.rates.new:.1f} are won instead of {100 * self.rates.old:.1f}"
            says.append(f"Of 100 leads {instead}, {more} than chance explains.")
        if self.score is not None and self.score.moved:
            says.append(f"The scores are spread differently: {self.score.says}.")
        moved = sorted(
            (each for each in self.columns if each.moved),
            key=lambda each: -each.index / each.threshold,
        )
        says += [f"{each.name}: {each.says}." for each in moved]
        if self.separability is not None and self.separability.moved:
            by = (
                f", most of all by {' and '.join(self.separability.by)}"
                if self.separability.by
                else ""
            )
            told = (
                f"told from old ones in {100 * self.separability.auc:.0f} of 100 pairs{by}; chance"
                f" reaches {100 * self.separability.high:.0f}"
            )
            says.append(f"New leads can be {told}.")
        return tuple(says)


@dataclass(frozen=True)
class Expected:
    """What calibrated probabilities of n leads promise of themselves, before any of their outcomes
    is known.

    `wins`, between `low` and `high` in 95 of 100 cases, `log_loss`, `skill` (of the log loss of the
    leads' own rate) and `auc`. The method is confidence-based performance estimation (Białek,
    Kuberski, Perrakis and Bifet 2024, "Estimating model performance under covariate shift without
    labels"). It sees other leads coming, and is blind to a change of what becomes of the same
    leads.
    """

    leads: int
    wins: float
    low: float
    high: float
    log_loss: float
    skill: float
    auc: float


def drift(
    old: FeatureTable,
    new: FeatureTable,
    scores: tuple[FloatArray, FloatArray] | None = None,
    rates: Rates | None = None,
) -> Drift:
    """Compare the features of old and new leads, one row a person, and their `scores` (old, new),
    which are probabilities.

    Where a group has fewer than 50 leads only the rates are compared.
    """
    if min(old.size, new.size) < LEAST_LEADS:
        return Drift(old.size, new.size, rates, None, (), None)
    score = None if scores is None else _score_shift(*scores)
    names = [name for name in old.columns if name in new.columns]
    found = [shift(name, old.columns[name], new.columns[name], len(names)) for name in names]
    return Drift(
        old.size,
        new.size,
        rates,
        score,
        tuple(each for each in found if each is not None),
        separability(old, new),
    )


def _score_shift(old: FloatArray, new: FloatArray) -> Shift | None:
    logit = [
        NumericColumn(np.asarray(logit_of(np.clip(each, 1e-6, 1 - 1e-6)))) for each in (old, new)
    ]
    found = shift("score", logit[0], logit[1], 1)
    says = (
        f"of 100 leads they promised {100 * old.mean():.1f} wins before, {100 * new.mean():.1f} now"
    )
    return None if found is None else replace(found, says=says)


def rates_of(old: FloatArray, new: FloatArray) -> Rates | None:
    """Compare outcomes (n,) and (m,) of 0 and 1, one a person, by the score test for two shares;
    None if either is empty."""
    if not len(old) or not len(new):
        return None
    pooled = float(np.concatenate([old, new]).mean())
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(old) + 1 / len(new)))
    p = 1.0 if error == 0 else float(2 * norm.sf(abs(old.mean() - new.mean()) / error))
    return Rates(float(old.mean()), float(new.mean()), len(old), len(new), p)


def shift(name: str, old: Column, new: Column, asked: int) -> Shift | None:
    """The population stability index of one column of two groups, and its limit where `asked`
    columns are looked at.

    Where nothing has changed, the index times nm / (n + m) follows chi-square with one degree of
    freedom less than there are bins (Yurdakul 2018, "Statistical properties of the population
    stability index"); the limit is its quantile, shared between the columns (Bonferroni). None
    where there is one bin.
    """
    labels, counts = _binned(old, new)
    if len(labels) < 2:
        return None
    sizes = counts.sum(axis=1)
    shares = (counts + 0.5) / (sizes + 0.5 * len(labels))[:, None]
    parts = (shares[1] - shares[0]) * np.log(shares[1] / shares[0])
    index, chance = float(parts.sum()), float((1 / sizes).sum())
    freedom, most = len(labels) - 1, int(np.argmax(parts))
    seen = 100 * counts / sizes[:, None]
    told = f"{labels[most]}: {seen[0, most]:.0f} of 100 leads before, {seen[1, most]:.0f} now"
    if (
        isinstance(old, NumericColumn)
        and isinstance(new, NumericColumn)
        and labels[most] != "nothing"
    ):
        middle = [float(np.nanmedian(each.values)) for each in (old, new)]
        told = (
            told
            if middle[0] == middle[1]
            else f"half of the leads above {middle[0]:.4g} before, above {middle[1]:.4g} now"
        )
    return Shift(
        name,
        index,
        chance * float(chi2.isf(SURE / asked, freedom)),
        float(chi2.sf(index / chance, freedom)),
        told,
    )


def _binned(old: Column, new: Column) -> tuple[list[str], FloatArray]:
    """The bins' names and how many leads each group (row) has in them; the bins look at both groups
    alike."""
    if isinstance(old, CategoricalColumn) or isinstance(new, CategoricalColumn):
        labels, codes = _words_binned(_words(old), _words(new))
    else:
        labels, codes = _numbers_binned(old.values, new.values)
    counts = np.array(
        [np.bincount(each, minlength=len(labels)) for each in codes], dtype=np.float64
    )
    total, sizes = counts.sum(axis=0), counts.sum(axis=1)
    small = total * sizes.min() / max(sizes.sum(), 1.0) < LEAST_EXPECTED
    rest = counts[:, small].sum(axis=1, keepdims=True)
    if rest.sum() * sizes.min() / max(sizes.sum(), 1.0) < LEAST_EXPECTED:
        rest = rest[:, :0]  # too few to be judged
    names = [label for label, each in zip(labels, small, strict=True) if not each]
    return [*names, *["anything else"] * rest.shape[1]], np.hstack([counts[:, ~small], rest])


def _words(column: Column) -> CategoricalColumn:
    return (
        column
        if isinstance(column, CategoricalColumn)
        else FeatureTable(len(column.values), {"": column}).words("")
    )


def _words_binned(
    old: CategoricalColumn, new: CategoricalColumn
) -> tuple[list[str], list[IntArray]]:
    known = {
        word: place for place, word in enumerate(dict.fromkeys((*old.vocabulary, *new.vocabulary)))
    }
    tables = [
        np.array([known[word] for word in each.vocabulary] + [len(known)], dtype=np.int64)
        for each in (old, new)
    ]
    return [*(f"'{word}'" for word in known), "nothing"], [
        table[each.codes] for table, each in zip(tables, (old, new), strict=True)
    ]


def _numbers_binned(old: FloatArray, new: FloatArray) -> tuple[list[str], list[IntArray]]:
    """Tenths of both groups together; equal numbers stay in one bin."""
    both = np.concatenate([old, new])
    known = both[~np.isnan(both)]
    cuts = (
        np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
        if len(known)
        else np.zeros(0)
    )
    codes = [
        np.where(np.isnan(each), len(cuts) + 1, np.searchsorted(cuts, each, side="left"))
        for each in (old, new)
    ]
    told = [f"{cut:.4g}" for cut in cuts]
    between = [f"above {low} to {high}" for low, high in pairwise(told)]
    ends = [f"up to {told[0]}", *between, f"above {told[-1]}"] if told else ["any"]
    return [*ends, "nothing"], [each.astype(np.int64) for each in codes]


def separability(old: FeatureTable, new: FeatureTable, *, seed: int = 0) -> Separability | None:
    """Tell old leads from new ones by all columns together; None if no column tells leads apart.

    Small boosted trees, each half of the leads judged by those learned from the other (Lopez-Paz
    and Oquab 2017, "Revisiting classifier two-sample tests"). Where nothing has changed, the area
    under the curve of a half lies around 0.5 with the variance of the Mann-Whitney statistic, and
    the mean of both halves, which go up and down together, has at most that. `low` and `high` hold
    95 %.
    """
    both, group = _batcher(old, new, seed)
    spec = learn_encoding(both)
    leads = Encoding(spec).encode(both, np.zeros(both.size))
    names = [*spec["numbers"], *(name for name, _ in spec["words"])]
    if not names:
        return None
    features = np.hstack([leads.numbers, _frequent(leads)])
    parts = np.empty((both.size, len(names) + 1))
    folds = list(StratifiedKFold(2, shuffle=True, random_state=seed).split(features, group))
    for inside, outside in folds:
        parts[outside] = _told_apart(
            features[inside], group[inside], features[outside], len(spec["numbers"]), seed
        )
    said = parts.sum(axis=1)
    auc = float(np.mean([roc_auc_score(group[outside], said[outside]) for _, outside in folds]))
    many = float(group.sum()) / 2
    few = len(group) / 2 - many
    margin = float(norm.isf(SURE / 2) * np.sqrt((many + few + 1) / (12 * many * few)))
    # On leads that were not learned from, what a column that tells nothing adds is the same for
    # both groups on the mean.
    adds = (parts[group == 1].mean(axis=0) - parts[group == 0].mean(axis=0))[:-1]
    strongest = [names[i] for i in np.argsort(-adds)[:2] if adds[i] > 0.2 * adds.clip(0).sum()]
    return Separability(auc, 0.5 - margin, 0.5 + margin, tuple(strongest))


def _batcher(old: FeatureTable, new: FeatureTable, seed: int) -> tuple[FeatureTable, IntArray]:
    """Both groups as one table, of each at most so many leads as are needed; 1 for new ones."""
    chance, parts = np.random.default_rng(seed), []
    for each in (old, new):
        chosen = np.sort(chance.permutation(each.size)[:MOST_COMPARED])
        parts.append(each.take(chosen))
    columns: dict[str, Column] = {}
    for name in parts[0].columns:
        first, second = parts[0].columns[name], parts[1].columns.get(name)
        if second is None:
            continue
        if isinstance(first, NumericColumn) and isinstance(second, NumericColumn):
            columns[name] = NumericColumn(np.concatenate([first.values, second.values]))
        else:
            labels, codes = _words_binned(_words(first), _words(second))
            joined = np.concatenate(codes)
            columns[name] = CategoricalColumn(
                np.where(joined == len(labels) - 1, -1, joined),
                tuple(each[1:-1] for each in labels[:-1]),
            )
    sizes = [part.size for part in parts]
    return FeatureTable(sum(sizes), columns), np.repeat(np.arange(2), sizes)


def _frequent(leads: Encoded, most: int = 30) -> FloatArray:
    """Codes of the frequent words, all others as one: a rare word tells a group from another by
    chance."""
    return np.where(leads.codes > most, 1, leads.codes).astype(np.float64)


def _told_apart(
    features: FloatArray, group: IntArray, others: FloatArray, numbers: int, seed: int
) -> FloatArray:
    """What trees learned from the first rows say of the others, in log-odds, column by column; the
    last is their mean."""
    import lightgbm

    parameters = {
        "objective": "binary",
        "num_leaves": 8,
        "learning_rate": 0.1,
        "min_data_in_leaf": 10,
        "lambda_l2": 5.0,
    }
    parameters |= {
        "verbose": -1,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
    }
    words = list(range(numbers, features.shape[1]))
    data = lightgbm.Dataset(features, group, categorical_feature=words, params={"verbose": -1})
    model = lightgbm.train(parameters, data, num_boost_round=40)
    return np.asarray(model.predict(others, pred_contrib=True), dtype=np.float64)


def expected(probability: FloatArray) -> Expected:
    """What calibrated probabilities (n,), n > 0, expect of themselves; see `Expected`. The wins are
    a Poisson-binomial sum."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    wins, margin = float(p.sum()), 1.96 * float(np.sqrt(p @ (1 - p)))
    both = np.ones_like(p), np.zeros_like(p)
    loss = float(
        np.mean(p * log_losses(logit_of(p), both[0]) + (1 - p) * log_losses(logit_of(p), both[1]))
    )
    rate = float(p.mean())
    constant = float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))
    auc = float(
        roc_auc_score(
            np.repeat([1, 0], len(p)), np.tile(p, 2), sample_weight=np.concatenate([p, 1 - p])
        )
    )
    return Expected(
        len(p),
        wins,
        max(0.0, wins - margin),
        min(float(len(p)), wins + margin),
        loss,
        1 - loss / constant,
        auc,
    )
