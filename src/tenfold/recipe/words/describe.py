"""Networks and rules in a few words: the parts of a recipe's description."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from tenfold.recipe.grammar.field_kinds import kinds
from tenfold.recipe.layers import ChannelDropout, Conv, Dense, Dropout, Residual, Scale, Views
from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP, Network
from tenfold.rules.activations import Activation, Parametric
from tenfold.rules.embeddings import EmbeddingLayer
from tenfold.rules.normalization import NormLayer
from tenfold.rules.rate_factors import REALMLP_FACTORS, RateFactors
from tenfold.rules.record import main_field, rule_name
from tenfold.rules.schedules import NoDecay

REALMLP = RateFactors(**REALMLP_FACTORS)


def describe_rule(rule: Any) -> str:
    """A rule's name in words: MinMax -> "min max"."""
    return rule_name(rule).replace("_", " ")


def describe_values(rule: Any) -> str:
    """A rule with its main number and what differs from the defaults: "Normal 0.01", "He uniform"."""
    parts, main, default = [type(rule).__name__], main_field(type(rule)), type(rule)()
    for field in kinds(type(rule)):
        value, words = getattr(rule, field), field.replace("_", " ")
        if field == main and not isinstance(value, str):
            parts.append(f"{value:.3g}")
        elif value == getattr(default, field):
            continue
        elif isinstance(value, str):
            parts.append(value)
        else:
            parts.append(words if value is True else f"{words} {value:.3g}")
    return " ".join(parts)


def describe_shape(network: Network) -> str:
    """Widths and activations: "128-128 ReLU", "8 views of 128-128 ReLU", "conv 16-32, dense 64, ReLU", "linear"."""
    if isinstance(network, Module):
        return network.describe()
    if isinstance(network, MLP):
        widths = "-".join(map(str, network.hidden))
        views = f"{network.views} views of " if network.views > 1 else ""
        return views + (f"{widths} {_activation(network.activation)}" if widths else "linear")
    activations = dict.fromkeys(_activation(layer) for layer in _inner(network.layers) if isinstance(layer, Activation))
    return ", ".join([*_weights(network.layers), *activations]) or "linear"


def _activation(rule: Activation) -> str:
    """Its name in Python: "ReLU", "parametric Mish"."""
    return f"parametric {type(rule.mixed).__name__}" if isinstance(rule, Parametric) else type(rule).__name__


def describe_columns(network: Network) -> list[str]:
    """What stands in front of the first layer: ["PBLD 4 embedding", "scaling layer"]."""
    found: list[str] = []
    for layer in network.sequence():
        if isinstance(layer, EmbeddingLayer):
            found.append(f"{describe_values(layer)} embedding")
        elif isinstance(layer, Scale):
            found.append("scaling layer")
    return list(dict.fromkeys(found))


def describe_norms(network: Network) -> list[str]:
    """Each normalization once: ["batch norm"]."""
    norms = (layer for layer in _inner(network.sequence()) if isinstance(layer, NormLayer))
    after = " after" if isinstance(network, MLP) and network.normalize == "after" else ""
    return list(dict.fromkeys(f"{describe_rule(norm)} norm{after}" for norm in norms))


def describe_dropout(network: Network) -> list[str]:
    """The rates of dropout that are not 0, each once."""
    if isinstance(network, MLP):
        rates = {"dropout": network.dropout if network.hidden else 0, "input dropout": network.input_dropout}
        return [f"{name} {rate:.2g}" for name, rate in rates.items() if rate]
    drops = (
        layer for layer in _inner(network.sequence()) if isinstance(layer, Dropout | ChannelDropout) and layer.rate
    )
    return list(dict.fromkeys(f"{describe_rule(drop)} {drop.rate:.2g}" for drop in drops))


def describe_factors(factors: RateFactors) -> str:
    """What has another rate: "rates bias 0.1, fan in"; all that RealMLP gives another one: "RealMLP's rates"."""
    if factors == REALMLP:
        return "RealMLP's rates"
    default = RateFactors()
    named = [(field, getattr(factors, field)) for field in kinds(RateFactors)]
    differing = [(field.replace("_", " "), value) for field, value in named if value != getattr(default, field)]
    return "rates " + ", ".join(words if value is True else f"{words} {value:.3g}" for words, value in differing)


def with_schedule(parts: list[str], schedule: Any) -> list[str]:
    """What is scheduled, if anything, with the schedule: ["dropout 0.15 flat cos"]."""
    constant = schedule == NoDecay()
    words = "warm-up" if isinstance(schedule, NoDecay) else describe_rule(schedule)
    return parts if constant else [f"{part} {words}" for part in parts]


def _inner(layers: Sequence[Any]) -> Iterator[Any]:
    """All layers, those of residual blocks too."""
    for layer in layers:
        yield from _inner(layer.layers) if isinstance(layer, Residual) else (layer,)


def _weights(layers: Sequence[Any]) -> list[str]:
    """Neighbours of a kind together: ["conv 16-32", "residual (conv 32-32)", "dense 64"]."""
    sized: list[tuple[str, str]] = []
    for layer in layers:
        match layer:
            case Dense(units=units):
                sized.append(("dense", str(units)))
            case Conv(channels=channels):
                sized.append(("conv", str(channels)))
            case Views(count=views):
                sized.append(("views", str(views)))
            case Residual(layers=inner):
                sized.append(("residual", f"({', '.join(_weights(inner))})"))
    groups = itertools.groupby(sized, lambda pair: pair[0])
    return [f"{name} {'-'.join(size for _, size in members)}" for name, members in groups]
