"""The layers of a network that is written out: `network: {layers: [{conv: 32}, batch_norm, relu, flatten, ...]}`.

A layer is one of these records, an activation, or a normalization. Images are (height, width, channels). The output
layer is always appended, and images are flattened before a dense layer and before the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tenfold.recipe.grammar.field_kinds import Written
from tenfold.recipe.grammar.reader import RecipePart
from tenfold.rules.activations import Activation
from tenfold.rules.embeddings import EmbeddingLayer
from tenfold.rules.fields import Count, Share, Within
from tenfold.rules.normalization import NormLayer
from tenfold.rules.record import require


@dataclass(frozen=True, kw_only=True)
class Dense(RecipePart):
    """An affine map of all inputs.

    Formula: z = x W + b.
    Shapes: x (rows, inputs), W (inputs, units), b (units,), z (rows, units); an image is flattened first.
    Options: units - of the output. There is no bias if a batch normalization follows directly: it would remove it.
    Convention: W is stored (inputs, units); torch and exported models store its transpose.
    Claim: fan_in = inputs, fan_out = units; with the activation `maxout: k` it holds k such maps.
    Choose: for tables, and after the convolutions of a network for images.
    Source: Rosenblatt 1958; Rumelhart, Hinton & Williams 1986.
    """

    units: Count = 64


@dataclass(frozen=True, kw_only=True)
class Conv(RecipePart):
    """A two-dimensional convolution.

    Formula: z[c, i, j] = b[c] + sum over k, u, v of W[c, k, u, v] x[k, i stride + u - padding, j stride + v - padding].
    Shapes: x (rows, channels in, H, W), W (channels, channels in, kernel, kernel), z (rows, channels, H', W') with
    H' = floor((H + 2 padding - kernel) / stride) + 1.
    Options: channels - of the output; kernel - rows and columns of the window; stride - step of the window; padding -
    zeros around the image, or same, which keeps the size at stride 1 (odd kernels).
    Convention: a cross-correlation, as in every library; same is kernel // 2 on both sides.
    Claim: fan_in = channels in * kernel^2, fan_out = channels * kernel^2.
    Choose: for images; 3 x 3, followed by batch norm and ReLU, is the default.
    Source: LeCun et al. 1989.
    """

    channels: Count = 32
    kernel: Count = 3
    stride: Count = 1
    padding: Annotated[int, Within(ge=0)] | Literal["same"] = "same"

    MAIN: ClassVar[str] = "channels"
    TOGETHER: ClassVar[tuple[tuple[str, ...], ...]] = (("kernel", "padding"),)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.padding != "same" or self.kernel % 2 == 1, self, "kernel", "odd where padding is same")

    @property
    def pad(self) -> int:
        """Zeros added on each side."""
        return self.kernel // 2 if self.padding == "same" else int(self.padding)


@dataclass(frozen=True, kw_only=True)
class Windowed(RecipePart):
    """The fields of layers that look at windows; stride null means the size."""

    size: Count = 2
    stride: Count | None = None

    MAIN: ClassVar[str] = "size"


@dataclass(frozen=True, kw_only=True)
class MaxPool(Windowed):
    """The largest value of each window.

    Formula: z[c, i, j] = max over u, v < size of x[c, i stride + u, j stride + v].
    Shapes: (rows, channels, H, W) -> (rows, channels, floor((H - size) / stride) + 1, ...).
    Options: size - of the window; stride - step of the window, null for size.
    Convention: rows and columns that do not fill a window are left out (torch; Keras' valid).
    Claim: at size 2 it keeps one value of four, the largest; only that one receives a gradient.
    Choose: after one or two convolutions, to halve the image.
    Source: Ranzato et al. 2007.
    """


@dataclass(frozen=True, kw_only=True)
class AvgPool(Windowed):
    """The mean of each window.

    Formula: z[c, i, j] = mean over u, v < size of x[c, i stride + u, j stride + v].
    Shapes: (rows, channels, H, W) -> (rows, channels, floor((H - size) / stride) + 1, ...).
    Options: size - of the window; stride - step of the window, null for size.
    Convention: rows and columns that do not fill a window are left out.
    Claim: a linear map that keeps the mean of the values in its windows.
    Choose: where all parts of a window matter; max pooling is the usual default.
    Source: LeCun et al. 1989.
    """


@dataclass(frozen=True, kw_only=True)
class GlobalPool(RecipePart):
    """One number for each channel: the mean or the largest value of its image.

    Formula: z[c] = mean (or max) over i, j of x[c, i, j].
    Shapes: (rows, channels, H, W) -> (rows, channels).
    Options: of - average or max.
    Convention: its output is flat: no flatten is needed after it.
    Claim: the number of parameters after it does not depend on the size of the image.
    Choose: before the output layer of a convolutional network; far fewer weights than flatten.
    Source: Lin, Chen & Yan 2014.
    """

    of: Literal["average", "max"] = "average"


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """An image as one row of numbers.

    Formula: x[c, i, j] -> z[c H W + i W + j].
    Shapes: (rows, channels, H, W) -> (rows, channels H W).
    Convention: channels first, as torch's Flatten; it happens by itself before a dense layer and the output.
    Claim: no number changes.
    Choose: before dense layers, if the place in the image matters.
    Source: -
    """


@dataclass(frozen=True, kw_only=True)
class Dropout(RecipePart):
    """Drops single numbers at random in training; see `dropout` of a recipe.

    Formula: y = x m / (1 - rate), m = 0 with probability rate, else 1; at prediction y = x.
    Shapes: any; one draw for every number.
    Options: rate - the probability of DROPPING, in [0, 1).
    Convention: inverted dropout: the numbers that stay are scaled up in training, and prediction needs no scaling.
    Claim: E[y] = x.
    Choose: before dense layers; for convolutions prefer channel_dropout.
    Source: Srivastava et al. 2014.
    """

    rate: Share = 0.5


@dataclass(frozen=True, kw_only=True)
class ChannelDropout(RecipePart):
    """Drops whole channels of an image at random in training (torch's Dropout2d).

    Formula: y[c] = x[c] m[c] / (1 - rate), m[c] = 0 with probability rate, else 1; at prediction y = x.
    Shapes: (rows, channels, H, W); one draw for every channel of every row.
    Options: rate - the probability of DROPPING a channel, in [0, 1).
    Convention: inverted, as dropout.
    Claim: E[y] = x; neighbouring pixels, which carry the same information, are dropped together.
    Choose: between convolutions.
    Source: Tompson et al. 2015.
    """

    rate: Share = 0.2


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A learned factor for each number of a row.

    Formula: y_i = s_i x_i.
    Shapes: x and y (rows, numbers), s (numbers,); an image is flattened first.
    Convention: s = 1 at the start; no weight decay acts on it. RealMLP has it behind the embedding and gives it six
    times the rate: rate_factors: {scale: 6}.
    Claim: without it the same functions can be learned; with it a column that matters gets a larger share of the first
    layer in fewer updates, and one that does not is turned down: a soft choice of columns.
    Choose: in front of the first layer on tables, with rate_factors: {scale: 6}; RealMLP without it has 1.4 % more
    error for classes, 1.0 % for numbers as targets.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3.
    """


@dataclass(frozen=True, kw_only=True)
class Residual(RecipePart):
    """Layers with a shortcut: their input is added to their output.

    Formula: y = f(x) + s(x), f the layers; s is the identity or, if f changes the shape, a 1 x 1 convolution with the
    stride that fits (for flat x a dense map).
    Shapes: f decides; the strides of f must divide the image as a single stride does.
    Options: layers - f, a list of layers.
    Convention: nothing follows the sum: write the activation after the block (He et al. 2016a), or begin f with
    normalization and activation (2016b).
    Claim: the gradient also reaches the input of the block directly, with factor 1, whatever f is.
    Choose: in networks of more than about ten layers.
    Source: He et al. 2016.
    """

    layers: tuple[Layer, ...] | Written = ()


@dataclass(frozen=True, kw_only=True)
class Views(RecipePart):
    """Several views of every row that share all layers behind, each with an output layer of its own: an ensemble that
    is trained as one network (TabM-mini).

    Formula: view j of x is r[j] * x; all views run through the layers behind; o[j] = h[j] V[j] + c[j]. The loss is the
    mean of the losses of all o[j]; the prediction is the mean of their probabilities, or of their numbers.
    Shapes: x (rows, columns), r (count, columns), views (count rows, columns), V (count, units, outputs).
    Options: count - of views.
    Convention: r starts as random signs; behind an embedding from the normal distribution, with one number for all that
    a column has become. It is a parameter like a bias, which no decay or penalty reaches. Batch normalization takes its
    moments over all views; dropout behind them draws for each view.
    Claim: with count 1 and r = 1 it is the network without it. Each view alone is a network on rows whose columns have
    other signs. All costs but those of the update are count times as high.
    Choose: for tables, 8 in front of the first dense layer and behind an embedding; 16 or 32 for wide networks where
    time does not matter.
    Source: Gorishniy, Kotelnikov & Babenko 2025 (TabM); Wen, Tran & Ba 2020.
    """

    count: Count = 8


Spatial = Conv | MaxPool | AvgPool | GlobalPool | Flatten | ChannelDropout
Layer = Dense | Spatial | Dropout | Scale | Residual | Views | EmbeddingLayer | Activation | NormLayer
