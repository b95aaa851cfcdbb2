"""The columns as the networks of some recipes get them: what is encoded, and what the training parts decide of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tenfold.data.feed.encode import (
    Encoding,
    Inputs,
    fit_encodings,
    matrix_inputs,
    with_more_categories,
    with_more_numbers,
)
from tenfold.data.feed.integers import FewIntegers
from tenfold.data.feed.level_rows import width_with_rows, with_level_rows
from tenfold.data.feed.moments import block_moments, moments_beside, training_moments, training_quantiles
from tenfold.data.feed.target_means import TargetMeans, with_columns
from tenfold.data.split.folds import Fold
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import Moments

Array = np.ndarray


@dataclass(frozen=True)
class View:
    """Inputs, and what each fold's training rows decide of them.

    integers: numeric columns that are categories too. means: of each fold the mean targets of levels, and columns: what
    every row gets of them (rows, columns), the last numbers of that fold. embedded: whether large categories are rows
    of tables. plain: the view that this one adds to.
    """

    inputs: Inputs
    folds: tuple[Fold, ...]
    integers: tuple[FewIntegers, ...] = ()
    means: tuple[tuple[TargetMeans, ...], ...] = ()
    columns: tuple[Array, ...] = ()
    embedded: bool = False
    plain: View | None = None

    def of_fold(self, fold: int) -> Inputs:
        """The inputs of a fold."""
        return with_columns(self.inputs, self.columns[fold]) if self.columns else self.inputs

    def means_of(self, fold: int) -> tuple[TargetMeans, ...]:
        """The mean targets of a fold."""
        return self.means[fold] if self.means else ()

    @cached_property
    def _own(self) -> tuple[Inputs, ...]:
        """What each fold alone has, as inputs: the other columns are fitted once, for all views."""
        return tuple(map(matrix_inputs, self.columns))

    @cached_property
    def encodings(self) -> tuple[Encoding, ...]:
        parts = [fold.train for fold in self.folds]
        if self.embedded and self.plain is not None:
            fitted = zip(self.plain.encodings, parts, strict=True)
            return tuple(with_level_rows(encoding, self.inputs, train) for encoding, train in fitted)
        if self.columns and self.plain is not None:
            fitted = zip(self.plain.encodings, self.columns, parts, strict=True)
            return tuple(with_more_numbers(encoding, np.median(own[train], 0)) for encoding, own, train in fitted)
        if self.plain is not None:
            return with_more_categories(self.plain.encodings, self.inputs, parts)
        return fit_encodings(self.inputs, parts)

    @property
    def width(self) -> int:
        """Input columns of the widest fold."""
        if self.embedded and self.plain is not None:
            return max(1, *(width_with_rows(encoding, self.inputs) for encoding in self.plain.encodings))
        return max(1, *(encoding.width for encoding in self.encodings))

    @cached_property
    def moments(self) -> tuple[Moments, ...]:
        return self._same_numbers.moments if self._same_numbers is not self else self._moments(scatter=False)

    @cached_property
    def scatters(self) -> tuple[Moments, ...]:
        """The same with the products of every two columns, for principal components and whitening."""
        return self._same_numbers.scatters if self._same_numbers is not self else self._moments(scatter=True)

    @cached_property
    def quantiles(self) -> tuple[Array, ...]:
        """Of the numeric columns of every training part, see `training_quantiles`."""
        if self._same_numbers is not self:
            return self._same_numbers.quantiles
        if not self.columns or self.plain is None:
            return tuple(training_quantiles(self.inputs, self.folds))
        of_own = [training_quantiles(own, [fold])[0] for own, fold in zip(self._own, self.folds, strict=True)]
        return tuple(np.hstack(both) for both in zip(self.plain.quantiles, of_own, strict=True))

    def moments_for(self, recipes: Sequence[Recipe]) -> tuple[Moments, ...]:
        """The moments that the preprocessing of these recipes needs."""
        moments = self.scatters if any(recipe.preprocess.needs_scatter for recipe in recipes) else self.moments
        if not any(recipe.preprocess.needs_quantiles for recipe in recipes):
            return moments
        return tuple(m._replace(quantiles=q) for m, q in zip(moments, self.quantiles, strict=True))

    @property
    def _same_numbers(self) -> View:
        return self if self.columns or self.plain is None else self.plain

    def _moments(self, *, scatter: bool) -> tuple[Moments, ...]:
        if not self.columns or self.plain is None:
            return tuple(training_moments(self.inputs, self.folds, self.encodings, scatter=scatter))
        if not scatter:
            of_own = [block_moments(own, fold.train) for own, fold in zip(self._own, self.folds, strict=True)]
            return tuple(map(moments_beside, self.plain.moments, of_own))
        return tuple(
            training_moments(self.of_fold(f), [fold], [self.encodings[f]], scatter=scatter)[0]
            for f, fold in enumerate(self.folds)
        )
