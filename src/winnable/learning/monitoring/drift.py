"""Drift monitoring: what is different about recent leads, most important first, and the performance
a model may expect of itself among them.

Two groups of leads are compared, earlier and new ones: their conversion rates, the distribution of
each column and of the scores (population stability index, PSI), and whether a classifier can tell
the groups apart at all (classifier two-sample test, AUC). Each is tested against what chance would
show with so many leads, not against a conventional threshold. While outcomes are open none of them
sees *concept drift*, that the same leads are won more or less often than before; once they are
known, that is the question of `reassessment`.
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

SIGNIFICANCE = 0.05
"""Probability of a false alarm of each test where nothing has changed."""

PSI_BINS = 10

MIN_LEADS_PER_BIN = 5
"""Leads that either group is expected to have in a bin; smaller bins are merged."""

MAX_LEADS_CLASSIFIED = 4000
"""Leads of either group that the classifier is trained on; more would not make it more certain."""

MIN_LEADS_PER_GROUP = 50
"""Leads of either group below which nothing but chance can be seen."""

MAX_CATEGORIES_CLASSIFIED = 30
"""Frequent categories that the classifier tells apart; a rare one separates groups by chance."""

MIN_SEPARATING_SHARE = 0.2
"""Of what all columns add to the separation, from which on a column is named."""

MISSING = "missing"
"""Name of the bin of leads without a value."""

MIN_P_SHOWN = 0.001


@dataclass(frozen=True)
class Shift:
    """How far one column, or the score, has moved: its population stability index (PSI) and the
    value that chance alone would reach.

    `summary` is what moved most, in words; `p` the p-value of such an index under no drift.
    """

    name: str
    index: float
    threshold: float
    p: float
    summary: str

    @property
    def moved(self) -> bool:
        """Whether the difference is significant."""
        return self.index > self.threshold


@dataclass(frozen=True)
class Rates:
    """The conversion rates of earlier and new leads whose horizon has passed, and the p-value of
    their difference."""

    old: float
    new: float
    old_leads: int
    new_leads: int
    p: float

    @property
    def moved(self) -> bool:
        """Whether the difference is significant."""
        return self.p < SIGNIFICANCE


@dataclass(frozen=True)
class Separability:
    """The out-of-fold AUC of a classifier that tells new leads from old ones, its 95% range under
    no drift (`low`, `high`), and the columns it uses most (`by`)."""

    auc: float
    low: float
    high: float
    by: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether the difference is significant."""
        return self.auc > self.high


@dataclass(frozen=True)
class Drift:
    """What is different about the `new` leads compared with the `old` ones; what could not be
    tested is None."""

    old: int
    new: int
    rates: Rates | None
    score: Shift | None
    columns: tuple[Shift, ...]
    separability: Separability | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What changed significantly, in sentences, most important first: outcomes, scores, then
        columns by how far they moved."""
        messages = []
        if self.rates is not None and self.rates.moved:
            messages.append(_rates_in_words(self.rates))
        if self.score is not None and self.score.moved:
            messages.append(f"Score distribution: {_shift_in_words(self.score)}.")
        moved = [shift for shift in self.columns if shift.moved]
        moved.sort(key=lambda shift: -shift.index / shift.threshold)
        messages += [f"{shift.name}: {_shift_in_words(shift)}." for shift in moved]
        if self.separability is not None and self.separability.moved:
            messages.append(_separability_in_words(self.separability))
        return tuple(messages)


def _rates_in_words(rates: Rates) -> str:
    change = "rose" if rates.new > rates.old else "fell"
    p = f"p = {rates.p:.3f}" if rates.p >= MIN_P_SHOWN else f"p < {MIN_P_SHOWN}"
    return (
        f"Conversion {change} significantly, from {100 * rates.old:.1f}% to"
        f" {100 * rates.new:.1f}% ({p})."
    )


def _shift_in_words(shift: Shift) -> str:
    return f"{shift.summary} (PSI {shift.index:.2f})"


def _separability_in_words(found: Separability) -> str:
    mainly = f", mainly by {' and '.join(found.by)}" if found.by else ""
    return (
        f"A classifier tells new leads from earlier ones with an AUC of {found.auc:.2f}{mainly};"
        f" without drift it would be at most {found.high:.2f}."
    )


@dataclass(frozen=True)
class Expected:
    """The performance that calibrated probabilities of n leads predict of themselves, before any of
    their outcomes is known.

    `wins` with the 95% interval from `low` to `high`, `log_loss`, `skill` (against the leads' own
    base rate) and `auc`. The method is confidence-based performance estimation (Białek,
    Kuberski, Perrakis and Bifet 2024, "Estimating model performance under covariate shift without
    labels"). It sees covariate shift, and is blind to concept drift.
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
    if min(old.size, new.size) < MIN_LEADS_PER_GROUP:
        return Drift(old.size, new.size, rates, None, (), None)
    score = None if scores is None else _score_shift(*scores)
    names = [name for name in old.columns if name in new.columns]
    found = [shift(name, old.columns[name], new.columns[name], len(names)) for name in names]
    return Drift(
        old.size,
        new.size,
        rates,
        score,
        tuple(column for column in found if column is not None),
        separability(old, new),
    )


def _score_shift(old: FloatArray, new: FloatArray) -> Shift | None:
    before, now = (
        NumericColumn(np.asarray(logit_of(np.clip(scores, 1e-6, 1 - 1e-6))))
        for scores in (old, new)
    )
    found = shift("score", before, now, 1)
    if found is None:
        return None
    summary = (
        f"mean predicted probability {100 * old.mean():.1f}% before, {100 * new.mean():.1f}% now"
    )
    return replace(found, summary=summary)


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
    """The population stability index (PSI) of one column of two groups, and its critical value
    where `asked` columns are tested.

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
    index = float(parts.sum())
    chance = float((1 / sizes).sum())
    freedom = len(labels) - 1
    most = int(np.argmax(parts))
    seen = 100 * counts / sizes[:, None]
    summary = f"{labels[most]}: {seen[0, most]:.0f}% of leads before, {seen[1, most]:.0f}% now"
    if (
        isinstance(old, NumericColumn)
        and isinstance(new, NumericColumn)
        and labels[most] != MISSING
    ):
        before = float(np.nanmedian(old.values))
        now = float(np.nanmedian(new.values))
        if before != now:
            summary = f"median {before:.4g} before, {now:.4g} now"
    return Shift(
        name,
        index,
        chance * float(chi2.isf(SIGNIFICANCE / asked, freedom)),
        float(chi2.sf(index / chance, freedom)),
        summary,
    )


def _binned(old: Column, new: Column) -> tuple[list[str], FloatArray]:
    """The bins' names and how many leads each group (row) has in them; both groups share the
    bins."""
    if isinstance(old, CategoricalColumn) or isinstance(new, CategoricalColumn):
        labels, codes = _words_binned(_words(old), _words(new))
    else:
        labels, codes = _numbers_binned(old.values, new.values)
    counts = np.array(
        [np.bincount(group, minlength=len(labels)) for group in codes], dtype=np.float64
    )
    total = counts.sum(axis=0)
    sizes = counts.sum(axis=1)
    small = total * sizes.min() / max(sizes.sum(), 1.0) < MIN_LEADS_PER_BIN
    rest = counts[:, small].sum(axis=1, keepdims=True)
    if rest.sum() * sizes.min() / max(sizes.sum(), 1.0) < MIN_LEADS_PER_BIN:
        rest = rest[:, :0]  # too few to be tested
    names = [label for label, is_small in zip(labels, small, strict=True) if not is_small]
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
    return [*(f"'{word}'" for word in known), MISSING], [
        table[each.codes] for table, each in zip(tables, (old, new), strict=True)
    ]


def _numbers_binned(old: FloatArray, new: FloatArray) -> tuple[list[str], list[IntArray]]:
    """Tenths of both groups together; equal numbers stay in one bin."""
    both = np.concatenate([old, new])
    known = both[~np.isnan(both)]
    cuts = (
        np.unique(np.quantile(known, np.linspace(0, 1, PSI_BINS + 1)[1:-1], method="higher"))
        if len(known)
        else np.zeros(0)
    )
    codes = [
        np.where(np.isnan(values), len(cuts) + 1, np.searchsorted(cuts, values, side="left"))
        for values in (old, new)
    ]
    edges = [f"{cut:.4g}" for cut in cuts]
    names = ["any"]
    if edges:
        between = [f"above {low} to {high}" for low, high in pairwise(edges)]
        names = [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
    return [*names, MISSING], [group.astype(np.int64) for group in codes]


def separability(old: FeatureTable, new: FeatureTable, *, seed: int = 0) -> Separability | None:
    """The classifier two-sample test: tell old leads from new ones by all columns together; None if
    there is no usable column.

    Small boosted trees in two-fold cross-validation (Lopez-Paz and Oquab 2017, "Revisiting
    classifier two-sample tests"). Where nothing has changed, the area
    under the curve of a half lies around 0.5 with the variance of the Mann-Whitney statistic, and
    the mean of both halves, which go up and down together, has at most that. `low` and `high` hold
    95%.
    """
    both, group = _both_groups(old, new, seed)
    spec = learn_encoding(both)
    leads = Encoding(spec).encode(both, np.zeros(both.size))
    names = [*spec["numbers"], *(name for name, _ in spec["words"])]
    if not names:
        return None
    features = np.hstack([leads.numbers, _frequent(leads)])
    parts = np.empty((both.size, len(names) + 1))
    folds = list(StratifiedKFold(2, shuffle=True, random_state=seed).split(features, group))
    for inside, outside in folds:
        parts[outside] = _contributions(
            features[inside], group[inside], features[outside], len(spec["numbers"]), seed
        )
    scores = parts.sum(axis=1)
    auc = float(np.mean([roc_auc_score(group[outside], scores[outside]) for _, outside in folds]))
    many = float(group.sum()) / 2
    few = len(group) / 2 - many
    margin = float(norm.isf(SIGNIFICANCE / 2) * np.sqrt((many + few + 1) / (12 * many * few)))
    # Out of fold, an uninformative column contributes the same to both groups on average.
    adds = (parts[group == 1].mean(axis=0) - parts[group == 0].mean(axis=0))[:-1]
    strongest = [
        names[i]
        for i in np.argsort(-adds)[:2]
        if adds[i] > MIN_SEPARATING_SHARE * adds.clip(0).sum()
    ]
    return Separability(auc, 0.5 - margin, 0.5 + margin, tuple(strongest))


def _both_groups(old: FeatureTable, new: FeatureTable, seed: int) -> tuple[FeatureTable, IntArray]:
    """Both groups as one table, of each at most as many leads as are needed; 1 for new ones."""
    chance = np.random.default_rng(seed)
    parts = []
    for group in (old, new):
        chosen = np.sort(chance.permutation(group.size)[:MAX_LEADS_CLASSIFIED])
        parts.append(group.take(chosen))
    columns: dict[str, Column] = {}
    for name in parts[0].columns:
        first = parts[0].columns[name]
        second = parts[1].columns.get(name)
        if second is None:
            continue
        if isinstance(first, NumericColumn) and isinstance(second, NumericColumn):
            columns[name] = NumericColumn(np.concatenate([first.values, second.values]))
        else:
            labels, codes = _words_binned(_words(first), _words(second))
            joined = np.concatenate(codes)
            columns[name] = CategoricalColumn(
                np.where(joined == len(labels) - 1, -1, joined),
                tuple(label[1:-1] for label in labels[:-1]),
            )
    sizes = [part.size for part in parts]
    return FeatureTable(sum(sizes), columns), np.repeat(np.arange(2), sizes)


def _frequent(leads: Encoded) -> FloatArray:
    """Codes of the frequent categories, all others as one: a rare one separates groups by
    chance."""
    return np.where(leads.codes > MAX_CATEGORIES_CLASSIFIED, 1, leads.codes).astype(np.float64)


def _contributions(
    features: FloatArray, group: IntArray, others: FloatArray, numbers: int, seed: int
) -> FloatArray:
    """The contributions of each column, in log-odds, to what trees trained on the first rows
    predict for the others; the last is their mean."""
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
    """The performance that calibrated probabilities (n,), n > 0, predict of themselves; see
    `Expected`. The wins are a Poisson-binomial sum."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    wins = float(p.sum())
    margin = 1.96 * float(np.sqrt(p @ (1 - p)))
    if_won = log_losses(logit_of(p), np.ones_like(p))
    if_lost = log_losses(logit_of(p), np.zeros_like(p))
    loss = float(np.mean(p * if_won + (1 - p) * if_lost))
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
