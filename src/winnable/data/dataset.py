"""The dataset: a company's CRM with the definition by which it was read, and every table that is
derived from the two, computed once and handed out.

Outcomes, persons, training rows, target-leakage verdicts and feature plans stand here for whoever
learns, judges or reports. How each is computed is decided in the modules that this one puts
together (`features`, `leakage`); nothing above them computes one a second time. Feature tables are
computed when they are asked for and not kept, so that memory does not grow with what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from winnable.core.columns import ACCOUNT, CREATED, ID, STATUS, FeatureTable, FloatArray, IntArray
from winnable.core.timestamps import microseconds
from winnable.data.autodetect.outcome import words_of_lost
from winnable.data.features.accounts import (
    AccountHistory,
    AccountScope,
    account_columns,
    unknown_accounts,
)
from winnable.data.features.derived.people import persons
from winnable.data.features.episodes import Episodes, build_episodes
from winnable.data.features.offline import compute_features
from winnable.data.features.plan import FeaturePlan, fit_feature_plan, loosely_read
from winnable.data.features.point_in_time import (
    as_of,
    columns_assumed_static,
    irreversible_columns,
)
from winnable.data.features.training_rows import TrainingRows, build_training_rows, outcomes
from winnable.data.ingestion.crm import Crm, latest_moment
from winnable.data.leakage.detect import ColumnVerdict, assess_columns, left_out
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A company's CRM together with the definition by which it was read.

    What is derived from the two is computed when it is first asked for, and is the same object from
    then on; change neither it nor the tables.

    Parameters
    ----------
    definition : Definition
        The shared definition.
    crm : Crm
        The tables, as pandas frames: `leads`, `activities`, `history`.
    exported_at : datetime, optional
        When they were exported, if that is known to be later than their newest record.

    Attributes
    ----------
    notes : tuple of str
        What was noticed while reading.
    rejects : pandas.DataFrame
        The rows that could not be used: table, row, id, reason.
    outcomes : numpy.ndarray of shape (n_leads,)
        1.0 Closed Won, 0.0 Closed Lost, NaN for every other status.
    persons : numpy.ndarray of shape (n_leads,)
        A number for each lead, the same where the person is the same.
    training_rows : TrainingRows
        Leads at ages, with their outcome as far as it is known.
    verdicts : tuple of ColumnVerdict
        A leakage verdict on every column that a model could learn from.

    Examples
    --------
    >>> import pandas as pd, winnable
    >>> definition = winnable.Definition.model_validate(
    ...     {"outcome": {"won": ["Won"], "lost": ["Lost"]}, "columns": {"status": "Stage"}}
    ... )
    >>> leads = pd.DataFrame({"Stage": ["Won", "Lost", "Open"], "Country": ["DE", "FR", "DE"]})
    >>> data = winnable.read(leads, definition=definition)
    >>> data.outcomes.tolist(), len(data.rejects)
    ([1.0, 0.0, nan], 0)
    """

    definition: Definition
    crm: Crm
    exported_at: datetime | None = None
    _plans: dict[tuple[str, ...], FeaturePlan] = field(default_factory=dict, init=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed while reading, in sentences."""
        return (*self.crm.notes, *self._loosely_read, *self._words_of_lost)

    @cached_property
    def _words_of_lost(self) -> tuple[str, ...]:
        """Where nobody is called lost, the columns that may say who was."""
        if self.definition.outcome.lost:
            return ()
        found = words_of_lost(self.crm.leads, self.definition.columns.status)
        return tuple(
            "Nobody is called lost, so a lead counts as not won once its horizon has passed;"
            f" '{name}' holds {words}, which may say it sooner."
            for name, words in found.items()
        )

    @cached_property
    def _loosely_read(self) -> tuple[str, ...]:
        return loosely_read(self.feature_plan(), self.crm)

    @property
    def rejects(self) -> pd.DataFrame:
        """The rows that could not be used: table, row, id, reason."""
        return self.crm.rejects

    @cached_property
    def present(self) -> datetime | None:
        """When the CRM was exported: if nobody says so, the newest time in it that does not lie in
        the future; None if it has no times."""
        if self.exported_at is not None:
            return self.exported_at
        latest = latest_moment(self.crm)
        return None if latest is None else latest.to_pydatetime()

    @cached_property
    def outcomes(self) -> FloatArray:
        """How each lead ended, shape (number of leads,): 1.0 Closed Won, 0.0 Closed Lost, NaN for
        every other status."""
        return outcomes(self.definition, self.crm)

    @cached_property
    def persons(self) -> IntArray:
        """A number for each lead, the same where the person is the same, shape (number of
        leads,)."""
        return persons(self.definition, self.crm)

    @cached_property
    def accounts(self) -> AccountHistory | None:
        """What happened in the accounts of the leads; None where the export does not name accounts,
        or not when leads were created and how they ended."""
        columns = self.crm.leads.columns
        if not {ACCOUNT, CREATED, STATUS} <= set(columns):
            return None
        return AccountHistory.of(self.definition, self.crm, self.persons, self.episodes)

    @cached_property
    def episodes(self) -> Episodes | None:
        """The lives of the leads, each with its end; None where the CRM has no dates for it."""
        if self.present is None:
            return None
        present = microseconds(self.present)
        return build_episodes(self.definition, self.crm, self.outcomes, present)

    @cached_property
    def training_rows(self) -> TrainingRows:
        """The training rows as of `present`."""
        return self.training_rows_at(self.present)

    def training_rows_at(self, present: datetime | None) -> TrainingRows:
        """The training rows of this CRM, were its newest record of another moment.

        Parameters
        ----------
        present : datetime or None
            The moment; None where the CRM has no dates.

        Returns
        -------
        TrainingRows
            Computed anew each time, not kept.
        """
        return build_training_rows(
            self.definition,
            self.crm,
            present,
            outcome=self.outcomes,
            person=self.persons,
            episodes=self.episodes,
        )

    @cached_property
    def verdicts(self) -> tuple[ColumnVerdict, ...]:
        """A target-leakage verdict on every column that a model could learn from."""
        return assess_columns(self.definition, self.crm, self.feature_plan(), self.outcomes)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The columns that no model may learn from, by their verdicts."""
        return left_out(self.verdicts)

    @cached_property
    def assumed_static(self) -> tuple[str, ...]:
        """The columns that have today's value at every moment, because the CRM records no changes
        of any column."""
        return columns_assumed_static(self.definition, self.crm)

    @cached_property
    def irreversible(self) -> tuple[str, ...]:
        """In sentences, what `as_of` has to take as it stands today, whatever the moment."""
        return irreversible_columns(self.definition, self.crm)

    def feature_plan(self, leave_out: Sequence[str] = ()) -> FeaturePlan:
        """How each column is read and what is asked of the activities.

        Parameters
        ----------
        leave_out : sequence of str
            Columns that no model may learn from.

        Returns
        -------
        FeaturePlan
            The same object for the same columns.
        """
        key = tuple(leave_out)
        if key not in self._plans:
            self._plans[key] = fit_feature_plan(self.definition, self.crm, key)
        return self._plans[key]

    def features(self, plan: FeaturePlan, leads: IntArray, as_of: IntArray) -> FeatureTable:
        """What was known of leads strictly before a moment each.

        Parameters
        ----------
        plan : FeaturePlan
            The features.
        leads : numpy.ndarray of shape (n,)
            Positions of leads in `crm.leads`.
        as_of : numpy.ndarray of shape (n,)
            Microseconds since 1970, UTC.

        Returns
        -------
        FeatureTable
            n rows, computed anew each time.
        """
        features = compute_features(plan, self.definition, self.crm, leads, as_of)
        if plan.accounts is None:
            return features
        if self.accounts is None or not self.knows_accounts_of(plan):
            return features.with_columns(unknown_accounts(len(leads)))
        return features.with_columns(account_columns(self.accounts.at(leads, as_of)))

    def knows_accounts_of(self, plan: FeaturePlan) -> bool:
        """Whether this export shows the accounts' past as well as the one that a plan was made for.

        Parameters
        ----------
        plan : FeaturePlan
            The features.

        Returns
        -------
        bool
            Never where the plan knows no accounts.
        """
        scope = AccountScope.of(self.definition, self.crm)
        return plan.accounts is not None and plan.accounts.is_covered_by(scope)

    def as_of(self, moment: datetime) -> Dataset:
        """The dataset as somebody would have exported it at an earlier moment.

        Parameters
        ----------
        moment : datetime
            With a time zone; what was known strictly before it counts.

        Returns
        -------
        Dataset
            Later leads are gone, later ends undone. `DataError` if leads have no creation date.
        """
        earlier = as_of(self.definition, self.crm, moment, self.episodes)
        return Dataset(self.definition, earlier, moment)

    def only(self, positions: IntArray) -> Dataset:
        """Some of the leads, with their activities and their history, and nothing rejected.

        Parameters
        ----------
        positions : numpy.ndarray of shape (n,)
            Positions in `crm.leads`.

        Returns
        -------
        Dataset
            These leads alone.
        """
        leads = self.crm.leads.iloc[positions]
        ids = set(leads[ID])
        activities, history = (
            None if table is None else table[table[ID].isin(ids)]
            for table in (self.crm.activities, self.crm.history)
        )
        crm = replace(
            self.crm,
            leads=leads,
            activities=activities,
            history=history,
            rejects=self.crm.rejects.iloc[:0],
        )
        return Dataset(self.definition, crm, self.exported_at)

    def __repr__(self) -> str:
        tables = {
            "leads": self.crm.leads,
            "activities": self.crm.activities,
            "changes of fields": self.crm.history,
        }
        sizes = ", ".join(
            f"{len(table):,} {name}" for name, table in tables.items() if table is not None
        )
        return f"<{self.definition.name}: {sizes}; {len(self.rejects):,} rows rejected>"
