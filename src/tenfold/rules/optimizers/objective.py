"""What a second-order method sees of a network: the loss of every lane as a function of its own parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

# Numbers of one lane that columns of a matrix pass through together. At 1,982 parameters and 1,000 rows all columns at
# once took 2.3 GiB, in chunks of this size 0.11 GiB.
COLUMNS = 1 << 20


class Objective(Protocol):
    """The loss of each of L lanes as a function of its row of w (L, P); lanes do not see each other."""

    def loss(self, w: Any) -> Any:
        """(L,)."""
        ...

    def gradient(self, w: Any) -> tuple[Any, Any]:
        """Loss (L,) and gradient (L, P)."""
        ...

    def hessian(self, w: Any) -> Any:
        """(L, P, P)."""
        ...

    def gauss_newton(self, w: Any) -> Any:
        """G = J^T H_L J, J of the outputs and H_L of the loss in the outputs; (L, P, P), positive semidefinite."""
        ...

    def gauss_newton_product(self, w: Any, x: Any) -> Any:
        """G x, (L, P)."""
        ...


class AutogradObjective:
    """An `Objective` by automatic differentiation.

    outputs: (L, P) -> (L, B, C); loss_of_outputs: (L, B, C) -> (L,), the mean over a lane's rows; l2: strengths (L, P)
    of the penalty sum of strength w^2 / 2, which is part of everything here, or None. Lanes are independent, so the
    derivative of the sum over lanes holds each lane's own.
    """

    def __init__(self, outputs: Callable[[Any], Any], loss_of_outputs: Callable[[Any], Any], l2: Any = None) -> None:
        self.outputs: Callable[[Any], Any] = outputs
        self.loss_of_outputs: Callable[[Any], Any] = loss_of_outputs
        self.l2: Any = l2

    def _loss(self, w: Any) -> Any:
        loss = self.loss_of_outputs(self.outputs(w))
        return loss if self.l2 is None else loss + 0.5 * (self.l2 * w * w).sum(1)

    def loss(self, w: Any) -> Any:
        """(L,)."""
        import torch

        with torch.no_grad():
            return self._loss(w)

    def gradient(self, w: Any) -> tuple[Any, Any]:
        """Loss (L,) and gradient (L, P)."""
        import torch

        w = w.detach().requires_grad_()
        loss = self._loss(w)
        return loss.detach(), torch.autograd.grad(loss.sum(), w)[0]

    def _slope(self, w: Any) -> tuple[Any, Any]:
        """w and the gradient there as a function of it, be it a constant one (a hinge of a linear model)."""
        import torch

        w = w.detach().requires_grad_()
        g = torch.autograd.grad(self._loss(w).sum(), w, create_graph=True)[0]
        return w, g if g.requires_grad else g + 0 * w

    def hessian(self, w: Any) -> Any:
        """(L, P, P), symmetric; some columns at a time."""
        import torch

        w, g = self._slope(w)

        def columns(e: Any) -> Any:
            return torch.autograd.grad(g, w, e, retain_graph=True, is_grads_batched=True, materialize_grads=True)[0]

        return self._matrix(w, columns)

    def gauss_newton(self, w: Any) -> Any:
        """(L, P, P), symmetric; some columns at a time."""
        w = w.detach().requires_grad_()
        return self._matrix(w, self._gauss_newton_map(w))

    def gauss_newton_product(self, w: Any, x: Any) -> Any:
        """G x (L, P): J x by differentiating a vector-Jacobian product, then H_L, then J^T (Schraudolph 2002)."""
        w = w.detach().requires_grad_()
        return self._gauss_newton_map(w)(x[None])[0]

    def _gauss_newton_map(self, w: Any) -> Callable[[Any], Any]:
        """x (columns, L, P) -> G x, the graph of the network built once."""
        import torch

        grad = torch.autograd.grad
        o = self.outputs(w)  # (L, B, C)
        u = torch.zeros_like(o, requires_grad=True)
        pulled = grad(o, w, u, create_graph=True)[0]  # J^T u, linear in u
        leaf = o.detach().requires_grad_()
        slope = grad(self.loss_of_outputs(leaf).sum(), leaf, create_graph=True)[0]

        def product(x: Any) -> Any:
            many = {"retain_graph": True, "is_grads_batched": True}
            pushed = grad(pulled, u, x, **many)[0]  # J x, (columns, L, B, C)
            bent = grad(slope, leaf, pushed, materialize_grads=True, **many)[0] if slope.requires_grad else pushed * 0
            curved = grad(o, w, bent, **many)[0]  # (columns, L, P)
            return curved if self.l2 is None else curved + self.l2 * x

        return product

    def _together(self, w: Any) -> int:
        """How many columns to compute at a time: each passes through what one evaluation keeps for its derivative."""
        import torch

        saved_numbers = [w.numel()]
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved_numbers.append(saved.numel()), lambda _: w):
            self._loss(w.detach().requires_grad_())
        return max(1, COLUMNS * len(w) // sum(saved_numbers))

    def _matrix(self, w: Any, columns: Callable[[Any], Any]) -> Any:
        """A symmetric matrix (L, P, P) from its products with unit vectors."""
        import torch

        lanes, size = w.shape
        step = min(size, self._together(w))
        eye = torch.eye(size, dtype=w.dtype, device=w.device)
        rows = w.new_empty(size, lanes, size)  # filled in place: many small tensors would fragment the heap
        for unit, part in zip(torch.split(eye, step), torch.split(rows, step), strict=True):
            part.copy_(columns(unit[:, None].expand(-1, lanes, -1)))
        matrix = rows.transpose(0, 1)  # (L, P, P)
        return 0.5 * (matrix + matrix.transpose(1, 2))
