"""The network of a recipe: a multi-layer perceptron, or layers written out one by one."""

# ruff: noqa: RUF009 (the defaults are frozen records)
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tenfold.recipe.grammar.field_kinds import Written
from tenfold.recipe.grammar.reader import RecipePart
from tenfold.recipe.layers import Dense, Dropout, Layer, Scale, Views
from tenfold.recipe.module import Module
from tenfold.rules.activations import Activation, ReLU
from tenfold.rules.embeddings import Embedding, NoEmbedding
from tenfold.rules.fields import Count, Share, Within
from tenfold.rules.normalization import NoNormalization, Normalization


@dataclass(frozen=True, kw_only=True)
class MLP(RecipePart):
    """A multi-layer perceptron: for each hidden layer an affine map, the normalization, the activation, dropout;
    then an affine output layer. An image is one row of numbers to it.

    hidden: units of each hidden layer, default (128, 128); () is a linear model. normalize: whether the normalization
    comes before (the default) or after the activation. dropout: probability of dropping a hidden unit in training, in
    [0, 1), default 0; input_dropout: the same for the inputs. Rules are given as records or by name
    (`activation="relu"`). embedding: what each numeric column of a table becomes in front of the first layer; scale:
    whether a learned factor for each number that enters the first layer comes behind it. views: of every row, each
    with an output layer of its own (see `Views`); 1, the default, is off. Raises `BadInput` that names the field.
    """

    hidden: Annotated[tuple[int, ...], Within(ge=1)] | Written = (128, 128)
    activation: Activation | Written = ReLU()
    normalization: Normalization | Written = NoNormalization()
    normalize: Literal["before", "after"] = "before"
    dropout: Share = 0.0
    input_dropout: Share = 0.0
    embedding: Embedding | Written = NoEmbedding()
    scale: bool = False
    views: Count = 1

    LATER: ClassVar[tuple[str, ...]] = ("embedding", "scale", "views")
    BY_FIELDS: ClassVar[bool] = True  # written as a mapping of its fields, without a name

    def sequence(self) -> tuple[Layer, ...]:
        """The same network as a list of layers. Dropout is one of them even at rate 0: a rate is a value and no part
        of the structure, so networks that differ in it alone can be trained together."""
        norm = () if isinstance(self.normalization, NoNormalization) else (self.normalization,)
        inner = (*norm, self.activation) if self.normalize == "before" else (self.activation, *norm)
        layers: list[Layer] = [Dropout(rate=self.input_dropout)]
        layers += () if isinstance(self.embedding, NoEmbedding) else (self.embedding,)
        layers += (Scale(),) if self.scale else ()
        layers += (Views(count=self.views),) if self.views > 1 else ()
        for units in self.hidden:
            layers += [Dense(units=units), *inner, Dropout(rate=self.dropout)]
        return tuple(layers)


@dataclass(frozen=True, kw_only=True)
class Layers(RecipePart):
    """A network written out layer by layer: `Layers(layers=[Conv(channels=16), "batch_norm", "relu", "flatten"])`.

    The output layer is always appended. Layers are records, names, or `{name: {field: value}}`. Raises `BadInput`
    that names the layer.
    """

    layers: tuple[Layer, ...] | Written = ()

    BY_FIELDS: ClassVar[bool] = True

    def sequence(self) -> tuple[Layer, ...]:
        """The layers."""
        return self.layers


Network = MLP | Layers | Module
