"""The damped normal equations of a batch of residuals, (J'J + damping I) x = J'b, in three forms.

Sources: see `least_squares.py`, which takes the steps. The trace: Hutchinson (1990), A stochastic estimator of the trace of the
influence matrix for Laplacian smoothing splines, Communications in Statistics - Simulation and Computation 19, 433-450. The
preconditioner: Frangella, Tropp and Udell (2023), Randomized Nystrom preconditioning, SIAM Journal on Matrix Analysis and
Applications 44, 718-752.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

LARGEST = 200_000_000  # entries of a Jacobian that is held, in float64: 1.6 GB
FASTER_HELD = (
    4_000_000_000  # multiplications for J'J or JJ' beyond which a CPU is faster without: benchmarks/solvers.py
)
SOLVERS = ("auto", "primal", "dual", "matrix_free")
_DIFFERENCE = 1e-6  # length of a difference along a direction, relative to the parameters

Values = dict[str, Tensor]
Linearise = Callable[[nn.Module, Values, Tensor], tuple[Tensor, Tensor]]


class Processes(Protocol):
    """What the processes of a run share; `deqn.processes.comm.Comm` is one."""

    rank: int
    size: int

    def sum_(self, tensor: Tensor) -> None: ...
    def broadcast_(self, tensor: Tensor) -> None: ...


class Alone:
    """One process."""

    rank, size = 0, 1

    def sum_(self, tensor: Tensor) -> None:
        """Nothing to add."""

    def broadcast_(self, tensor: Tensor) -> None:
        """Nobody to send to."""


class NormalEquations(ABC):
    """The residuals of a batch around a point, and their normal equations over all processes.

    Args:
        module: maps `[batch, n_states]` to residuals `[batch, rows]`.
        values: its parameters by name: the point.
        states: `[batch, n_states]`, those of this process.

    Attributes:
        rows: the residuals of this process in float64, `[n]`.
        gradient: J'r over all processes, `[parameters]`.
        trace: that of J'J over all processes; of `MatrixFree` an estimate (Hutchinson 1990).
    """

    rows: Tensor
    gradient: Tensor
    trace: Tensor

    def __init__(self, module: nn.Module, values: Values, states: Tensor, processes: Processes) -> None:
        self.module, self.values, self.states, self.processes = module, values, states, processes

    @abstractmethod
    def solve(self, damping: Tensor, right: Tensor) -> Tensor:
        """x `[parameters]` for the b `[n]` of this process; not a number where rounding leaves no positive matrix."""

    @abstractmethod
    def product(self, step: Tensor) -> Tensor:
        """J times a step: `[parameters]` -> `[n]`."""

    @torch.no_grad()
    def residuals(self, step: Tensor) -> Tensor:
        """Residuals at the point plus a step: `[parameters]` -> `[n]`."""
        return functional_call(self.module, moved(self.values, step), (self.states,)).flatten().double()

    def second_derivative(self, step: Tensor, ahead: float) -> Tensor:
        """Second derivative of the residuals along a step, `[n]`, by a difference (Transtrum and Sethna 2012, section 3).

        Args:
            ahead: share of the step at which the residuals are looked at.
        """
        return 2 / ahead * ((self.residuals(ahead * step) - self.rows) / ahead - self.product(step))


class Held(NormalEquations):
    """The Jacobian is held, and the system solved by Cholesky.

    Args:
        dual: in the space of the residuals of all processes, not in that of the parameters.
        linearise: gives residuals and Jacobian: `linearised`, or its compiled form.
    """

    def __init__(
        self, module: nn.Module, values: Values, states: Tensor, processes: Processes, dual: bool, linearise: Linearise
    ) -> None:
        super().__init__(module, values, states, processes)
        self.dual = dual
        self.rows, self._own = linearise(module, values, states)
        self._jacobian = self._of_all(self._own) if dual else self._own
        self.gradient = self._projected(self.rows)
        self._matrix = self._jacobian @ self._jacobian.T if dual else self._jacobian.T @ self._jacobian
        if not dual:
            processes.sum_(self._matrix)
        self.trace = self._matrix.trace()
        self._factor: tuple[Tensor | None, Tensor] = (None, self._matrix)

    def solve(self, damping: Tensor, right: Tensor) -> Tensor:
        if self._factor[0] is not damping:
            damped = self._matrix.clone()
            damped.diagonal().add_(damping)
            factor, failed = torch.linalg.cholesky_ex(damped)
            factor[0, 0] = torch.where(failed == 0, factor[0, 0], torch.nan)  # a GPU is not waited for
            self._factor = (damping, factor)
        factor = self._factor[1]
        known = self._of_all(right) if self.dual else self.gradient if right is self.rows else self._projected(right)
        solved = torch.cholesky_solve(known[:, None], factor)[:, 0]
        return self._jacobian.T @ solved if self.dual else solved

    def product(self, step: Tensor) -> Tensor:
        return self._own @ step

    def _projected(self, right: Tensor) -> Tensor:
        """J'b over all processes."""
        projected = self._own.T @ right
        self.processes.sum_(projected)
        return projected

    def _of_all(self, own: Tensor) -> Tensor:
        """`[n, ...]` of this process -> `[processes * n, ...]`."""
        if self.processes.size == 1:
            return own
        gathered = own.new_zeros(self.processes.size, *own.shape)
        gathered[self.processes.rank] = own
        self.processes.sum_(gathered)
        return gathered.flatten(0, 1)


class MatrixFree(NormalEquations):
    """The Jacobian is not held: J'u by a backward pass, Jv by a difference, and preconditioned conjugate gradients.

    The preconditioner is exact in the span of a few directions, in which J'J is largest (Nystrom; Frangella, Tropp and Udell
    2023), found from as many random ones at the price of an iteration each.

    Args:
        iterations, tolerance: of conjugate gradients, at most and relative to the right-hand side.
        rank: directions of the preconditioner.
    """

    def __init__(
        self, module: nn.Module, values: Values, states: Tensor, processes: Processes, iterations: int, tolerance: float,
        rank: int,
    ) -> None:  # fmt: skip
        super().__init__(module, values, states, processes)
        self.iterations, self.tolerance = iterations, tolerance
        leaves = {name: value.detach().requires_grad_() for name, value in values.items()}
        with torch.enable_grad():
            self._graph = functional_call(module, leaves, (states,)).flatten()
        self._leaves = [*leaves.values()]
        self._length = torch.cat([value.flatten() for value in values.values()]).norm().double()
        self.rows = self._graph.detach().double()
        self.gradient = self._transposed(self.rows)
        generator = torch.Generator(self.rows.device).manual_seed(processes.rank)
        signs = torch.randint(0, 2, self.rows.shape, generator=generator, device=self.rows.device)
        self.trace = self._transposed(2 * signs.double() - 1).square().sum()
        self._directions, self._squares = self._largest(min(rank, len(self.gradient)))

    def solve(self, damping: Tensor, right: Tensor) -> Tensor:
        left = self.gradient.clone() if right is self.rows else self._transposed(right)
        weights = (self._squares.amin() + damping) / (self._squares + damping) - 1
        x, enough = torch.zeros_like(left), self.tolerance**2 * (left @ left)
        direction, product = torch.zeros_like(left), torch.ones_like(enough)
        for _ in range(self.iterations):
            going = left @ left > enough
            if left.device.type == "cpu" and not going:  # a GPU is not waited for: there the rest adds nothing
                break
            nearer = left + self._directions @ (weights * (self._directions.T @ left))
            before, product = product, left @ nearer
            direction = nearer + torch.where(going, product / before, 0.0) * direction
            image = self._transposed(self.product(direction)) + damping * direction
            along = torch.where(going, product / (direction @ image), 0.0)
            x += along * direction
            left -= along * image
        return x

    def _largest(self, rank: int) -> tuple[Tensor, Tensor]:
        """Orthonormal directions `[parameters, rank]` and the squares of J'J along them, `[rank]`."""
        n, device = len(self.gradient), self.rows.device
        generator = torch.Generator(device).manual_seed(0)  # the same on all processes
        random = torch.randn(rank, n, generator=generator, dtype=torch.float64, device=device)
        images = torch.stack([self.product(each) for each in random], dim=1)
        inner = images.T @ images
        self.processes.sum_(inner)
        spanned = (
            images @ _inverse_root(inner)[0]
        )  # orthonormal columns over all processes, but for a span that is smaller
        back = torch.stack([self._transposed(each) for each in spanned.T], dim=1)
        root, squares = _inverse_root(back.T @ back)
        return back @ root, squares

    def product(self, step: Tensor) -> Tensor:
        length = step.norm()
        scale = _DIFFERENCE * (1 + self._length) / length.clamp(min=1e-300)
        return (self.residuals(scale * step) - self.rows) / scale

    def _transposed(self, right: Tensor) -> Tensor:
        """J'u over all processes: `[n]` -> `[parameters]`."""
        found = torch.autograd.grad(
            self._graph, self._leaves, right.to(self._graph.dtype), retain_graph=True, materialize_grads=True
        )
        flat = torch.cat([part.flatten() for part in found]).double()
        self.processes.sum_(flat)
        return flat


def normal_equations(
    module: nn.Module,
    values: Values,
    states: Tensor,
    processes: Processes,
    solver: str = "auto",
    iterations: int = 50,
    tolerance: float = 0.01,
    rank: int = 20,
    linearise: Linearise | None = None,
) -> NormalEquations:
    """The form that `solver` names; of `auto` the smaller system, and no Jacobian where it is large (see `chosen`)."""
    if solver == "auto":
        solver = chosen(module, values, states, processes)
    if solver == "matrix_free":
        return MatrixFree(module, values, states, processes, iterations, tolerance, rank)
    return Held(module, values, states, processes, solver == "dual", linearise or linearised)


def chosen(module: nn.Module, values: Values, states: Tensor, processes: Processes) -> str:
    """What `auto` takes for a batch of states."""
    with torch.no_grad():
        rows = len(states) * functional_call(module, values, (states[:1],)).shape[-1]
    n_parameters = sum(value.numel() for value in values.values())
    work = rows * n_parameters * min(rows * processes.size, n_parameters)
    if rows * n_parameters > LARGEST or (states.device.type == "cpu" and work > FASTER_HELD):
        return "matrix_free"
    return "dual" if rows * processes.size < n_parameters else "primal"


def linearised(module: nn.Module, values: Values, states: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals `[n]` and their Jacobian `[n, parameters]`, in float64: a backward pass for each residual of one state."""

    def of_state(values: Values, state: Tensor) -> tuple[Tensor, Tensor]:
        row = functional_call(module, values, (state.unsqueeze(0),))[0]
        return row, row

    blocks, rows = vmap(jacrev(of_state, has_aux=True), in_dims=(None, 0))(values, states)
    jacobian = torch.cat([blocks[name].flatten(2) for name in values], dim=-1)
    return rows.flatten().double(), jacobian.flatten(0, 1).double()


def _inverse_root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """V / sqrt(e) and e of a matrix V diag(e) V', `[n, n]` and `[n]`; columns of zeros where e is rounding."""
    squares, vectors = torch.linalg.eigh(matrix)
    real = squares > 1e-12 * squares.amax()
    return torch.where(real, vectors * squares.rsqrt(), 0.0), torch.where(real, squares, 0.0)


def moved(values: Values, step: Tensor) -> Values:
    """Parameters by name plus a step `[parameters]`."""
    result, start = {}, 0
    for name, value in values.items():
        result[name] = value + step[start : start + value.numel()].view_as(value).to(value.dtype)
        start += value.numel()
    return result
