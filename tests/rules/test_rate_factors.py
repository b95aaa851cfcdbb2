"""Rates by kind of parameter: which parameter has which factor, and the same training as torch's parameter groups."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.rules.rate_factors import RateFactors
from tenfold.rules.record import SECTIONS, sections

TRIED = RateFactors(bias=0.1, scale=6.0, embedding=0.2, parametric=0.3, first_layer=0.5, fan_in=True)


def test_it_is_documented():
    found = sections(RateFactors)
    assert list(found) == ["", *SECTIONS]
    for field in dataclasses.fields(RateFactors):
        assert f"{field.name} -" in found["Options"]


def test_which_parameter_has_which_factor():
    assert TRIED.active
    assert not RateFactors().active
    for kind, factor in (("bias", 0.1), ("scale", 6.0), ("slope", 0.3), ("mix", 0.3), ("gamma", 1.0), ("beta", 1.0)):
        assert TRIED.of(kind) == factor
        assert RateFactors().of(kind) == 1
    assert TRIED.of("embed_weight") == TRIED.of("embed_bias", first_layer=True) == 0.2
    assert TRIED.of("weight", fan_in=16) == 0.25
    assert TRIED.of("weight", fan_in=16, first_layer=True) == 0.125
    assert TRIED.of("bias", fan_in=16, first_layer=True) == 0.05
    assert dataclasses.replace(TRIED, fan_in=False).of("weight", fan_in=16) == 1
    assert RateFactors(fan_in=True).of("weight", fan_in=3) == pytest.approx(1 / math.sqrt(3), rel=1e-15)


def test_with_a_second_order_method_it_is_refused():
    with pytest.raises(BadInput, match=r"rate_factors: must be absent with newton"):
        Recipe.from_dict({"optimizer": "newton", "rate_factors": {"bias": 0.1}})
    with pytest.raises(BadInput, match=r"weight_decay_schedule: must be absent with lbfgs"):
        Recipe.from_dict({"optimizer": "lbfgs", "weight_decay": 0.1, "weight_decay_schedule": "flat_cos"})
    assert Recipe.from_dict({"optimizer": "newton", "dropout_schedule": "flat_cos"}).dropout_schedule.flat == 0.5


def test_adam_with_fan_in_trains_the_network_of_the_neural_tangent_parametrization():
    """z = W x / sqrt(d), W of size 1, under Adam with rate lr: the same outputs as weights W / sqrt(d) with rate
    lr / sqrt(d), but for eps."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 9, generator=generator, dtype=torch.float64)
    y = torch.randn(40, 1, generator=generator, dtype=torch.float64)
    start = torch.randn(9, 1, generator=generator, dtype=torch.float64)
    tangent, ours = start.clone().requires_grad_(), (start / 3).requires_grad_()
    factor = RateFactors(fan_in=True).of("weight", fan_in=9)
    first = torch.optim.Adam([tangent], lr=0.04, betas=(0.9, 0.95), eps=1e-30)
    second = torch.optim.Adam([ours], lr=0.04 * factor, betas=(0.9, 0.95), eps=1e-30)
    for _ in range(50):
        for optimizer, output in ((first, x @ tangent / 3), (second, x @ ours)):
            optimizer.zero_grad()
            (output - y).square().mean().backward()
            optimizer.step()
    np.testing.assert_allclose((tangent / 3).detach().numpy(), ours.detach().numpy(), rtol=1e-12)
