"""The convolution of packs and modules against torch's own, in a memory format where torch's own cannot fail."""

import pytest
import torch
from torch.nn import functional

from tenfold.engine.layers import Conv2d
from tenfold.engine.operations.convolution import convolve


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("channels", [1, 3, 6, 8, 13])
def test_values_and_gradients_are_those_of_torch(kernel, stride, pad, channels):
    numbers = torch.Generator().manual_seed(0)
    image = torch.randn(27, channels, 8, 8, generator=numbers)
    weight = torch.randn(9, channels, kernel, kernel, generator=numbers)
    bias = torch.randn(9, generator=numbers)
    exact = [t.double().requires_grad_() for t in (image, weight, bias)]
    expected = functional.conv2d(*exact, stride, pad)
    gradients = torch.autograd.grad(expected.square().sum(), exact)

    last = torch.channels_last
    inputs = [t.requires_grad_() for t in (image.to(memory_format=last), weight.to(memory_format=last), bias)]
    layer = Conv2d(channels, 9, kernel, stride, pad)
    layer.weight.data, layer.bias.data = inputs[1].detach(), bias.detach()
    for _ in range(10):  # a gradient that writes behind its buffer ends the process now and then only
        found = convolve(*inputs, stride, pad)
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)
        for mine, gradient in zip(torch.autograd.grad(found.square().sum(), inputs), gradients, strict=True):
            torch.testing.assert_close(mine.double(), gradient, rtol=1e-4, atol=1e-4 * float(gradient.abs().max()))
    assert torch.equal(layer(inputs[0]), found)
