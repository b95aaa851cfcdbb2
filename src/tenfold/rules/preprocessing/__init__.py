"""Preprocessing of numeric inputs, x -> bend(line(((x - shift) / scale) @ rotation)), fitted on a fold's training rows.

`rule.fit(moments)` takes the moments of the training rows (never the rows that are scored) and returns an `Affine`;
`apply` maps rows with it, `undo` maps them back. Divisors are population moments (ddof 0, as scikit-learn's scalers).
"""

from tenfold.rules.preprocessing.columns import Center, MinMax, NoPreprocessing, QuantileNormal, RobustClip, Standardize
from tenfold.rules.preprocessing.components import PCA, WhitenPCA, WhitenZCA
from tenfold.rules.preprocessing.images import CenterChannel, CenterImage, StandardizeChannel
from tenfold.rules.preprocessing.moments import Affine, Moments, apply_affine, merge, undo

Preprocessing = (
    NoPreprocessing
    | Center
    | Standardize
    | MinMax
    | RobustClip
    | QuantileNormal
    | PCA
    | WhitenPCA
    | WhitenZCA
    | CenterImage
    | CenterChannel
    | StandardizeChannel
)

__all__ = [
    "PCA", "Affine", "Center", "CenterChannel", "CenterImage", "MinMax", "Moments", "NoPreprocessing", "Preprocessing",
    "QuantileNormal", "RobustClip", "Standardize", "StandardizeChannel", "WhitenPCA", "WhitenZCA",
    "apply_affine", "merge", "undo",
]  # fmt: skip
