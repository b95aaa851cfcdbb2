"""Sparse input: taken where its dense form fits into memory, else refused with a way out that works in a pipeline."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import tenfold
from tenfold import BadInput, Classifier, Recipe, Regressor
from tenfold.data.read import sparse

RECIPE = Recipe.from_dict(
    {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.05}}, "batch_size": 8, "epochs": 10}
)
WORDS = np.random.default_rng(0).choice(["red", "blue", "green", "grey"], (60, 4))
TEXTS = [" ".join(row) for row in WORDS]
Y = np.array(["red" in text for text in TEXTS])
X = TfidfVectorizer().fit_transform(TEXTS)


def test_text_in_a_pipeline() -> None:
    model = make_pipeline(TfidfVectorizer(), Classifier(RECIPE, folds=2, random_state=0)).fit(TEXTS, Y)
    assert model.score(TEXTS, Y) > 0.9
    model = make_pipeline(OneHotEncoder(), Regressor(RECIPE, folds=2, random_state=0)).fit(WORDS, 1.5 * Y)
    assert model.score(WORDS, 1.5 * Y) > 0.5


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csr_array, sp.csc_array, sp.coo_array, sp.lil_array, sp.dok_array])
def test_every_form_gives_what_the_array_gives(form: type) -> None:
    dense = tenfold.cross_validate(RECIPE, X.toarray(), Y, folds=2)
    found = tenfold.cross_validate(RECIPE, form(X), Y, folds=2)
    assert found.table == dense.table
    assert "X is sparse: learned from as 60 x 4 numbers, 1,920 bytes" in found.warnings[0]
    model = Classifier(RECIPE, folds=2, random_state=0).fit(form(X), Y)
    np.testing.assert_array_equal(model.predict_proba(form(X)), model.predict_proba(X.toarray()))
    np.testing.assert_array_equal(model.model_.predict(form(X)), model.predict(X.toarray()))


def test_sparse_tensors() -> None:
    tensor = torch.from_numpy(X.toarray())
    for form in (tensor.to_sparse(), tensor.to_sparse().coalesce()):
        assert tenfold.cross_validate(RECIPE, form, Y, folds=2).warnings[0].startswith("X is sparse")


def test_what_does_not_fit_is_refused_with_a_way_out_that_works(monkeypatch) -> None:
    wide = sp.random_array((60, 10**7), density=1e-6, rng=np.random.default_rng(0), format="csr")
    monkeypatch.setattr(sparse, "available_memory", lambda: 10**9)
    for give in (
        lambda: tenfold.cross_validate(RECIPE, wide, Y, folds=2),
        lambda: Classifier(RECIPE, folds=2).fit(wide, Y),
    ):
        with pytest.raises(BadInput, match=r"dense it takes 4\.8 GB.*1\.0 GB are available(?s:.*)TruncatedSVD\(100\)"):
            give()
    narrow = wide[:, :2000] + sp.csr_array(np.random.default_rng(0).normal(size=(60, 2000)))
    model = make_pipeline(TruncatedSVD(10, random_state=0), Classifier(RECIPE, folds=2, random_state=0))
    assert model.fit(narrow, Y).predict(narrow).shape == (60,)
