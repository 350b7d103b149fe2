"""Cross-fitting: experts fitted on the leads outside each fold, which gives predictions for leads
that they have not seen, and then as they will answer.

What an expert learns is decided in `linear` and `boosting`, how experts are blended elsewhere."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from winnable.core.columns import FloatArray, IntArray
from winnable.core.progress import Step
from winnable.learning.model.experts.boosting import average_catboost, side_by_side
from winnable.learning.model.experts.encoding import Encoded, Encoding
from winnable.learning.model.experts.linear import Fitted, fit_scorecard, with_others
from winnable.learning.model.experts.predict import expert_of

Fit = Callable[[Encoded, FloatArray, FloatArray], Fitted]

Job = tuple[str, int]
"""An expert and the fold whose leads it does not learn from; the number of folds if from all."""


@dataclass
class CrossFit:
    """The experts that `fits` fit, by name, on encoded `leads` with outcomes `won` and `weights`;
    `folds` is each lead's fold, all three (n,).

    `threads` fits run side by side; neither it nor the order in which they end changes a result.
    `progress` is called after every fit that is done.
    """

    fits: Mapping[str, Fit]
    encoding: Encoding
    leads: Encoded
    won: FloatArray
    weights: FloatArray
    folds: IntArray
    threads: int
    progress: Step
    _done: dict[Job, Fitted] = field(default_factory=dict, init=False)

    @property
    def _count(self) -> int:
        return int(self.folds.max()) + 1

    @property
    def _total(self) -> int:
        """The fits that there are at most."""
        return (self._count + 1) * len(self.fits) - ("catboost" in self.fits)

    def out_of_fold(self) -> FloatArray:
        """The log-odds (n, experts) of each lead, from experts that had not seen it."""
        # Fold by fold, so that every so many jobs take the same time and the time that is left can
        # be estimated.
        self.progress(0, self._total)
        self._work([(name, fold) for fold in range(self._count) for name in self.fits])
        predictions = np.empty((self.leads.size, len(self.fits)))
        for (name, fold), fitted in self._done.items():
            outside = np.flatnonzero(self.folds == fold)
            if outside.size:
                expert = expert_of(fitted.part, fitted.booster or "", self.encoding)
                prediction = expert.predict(self.leads.take(outside))
                predictions[outside, list(self.fits).index(name)] = prediction.logit
        return predictions

    def final(self, names: Collection[str]) -> dict[str, Fitted]:
        """The experts of these names as they will answer, once `out_of_fold` has been asked.

        CatBoost answers by the mean of the folds' models, which was better than one model of all
        leads; the other experts are fitted once more, on all leads.
        """
        chosen = [name for name in self.fits if name in names]
        again = {name for name in chosen if name != "catboost"}
        again |= {"ridge"} if "per_segment" in again else set()
        self._work([(name, self._count) for name in self.fits if name in again])
        self.progress(self._total, self._total)
        return {
            name: average_catboost([self._done[name, fold] for fold in range(self._count)])
            if name == "catboost"
            else self._done[name, self._count]
            for name in chosen
        }

    def _work(self, jobs: Sequence[Job]) -> None:
        with (
            side_by_side() if "catboost" in self.fits else nullcontext(),
            ThreadPoolExecutor(self.threads) as pool,
        ):
            for job, fitted in zip(jobs, pool.map(self._fitted, jobs), strict=True):
                self._done[job] = fitted
                self.progress(len(self._done), self._total)
        for name, fold in jobs:
            if name == "per_segment":
                own = self._done[name, fold]
                self._done[name, fold] = with_others(own, self._done["ridge", fold])

    def _fitted(self, job: Job) -> Fitted:
        name, fold = job
        inside = np.flatnonzero(self.folds != fold)
        fit = self.fits[name] if np.ptp(self.won[inside]) > 0 else fit_scorecard
        return fit(self.leads.take(inside), self.won[inside], self.weights[inside])
