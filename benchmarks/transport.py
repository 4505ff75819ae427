"""Times the histogram transport against the notebook's double loop and a numba loop; prints tables.

    python benchmarks/transport.py                    on one core
    python benchmarks/transport.py --threads 2        on two: denormals are then not flushed where most of the work is
    python benchmarks/transport.py --device cuda      on a GPU
    python benchmarks/transport.py --shapes 400x7     one size only, nA x nE
    python benchmarks/transport.py --no-compile       skips what takes a minute to compile

The variants take turns within a run and the best of several rounds counts, since shared machines are noisy: read ratios,
not times. On one CPU thread the clock is the thread's processor time, from which other processes take least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from deqn.numerics import histogram
from deqn.training.cpu import configure_cpu

ECONOMIES = 256
TOP = 250.0
# Times the notebook's speed that the eager and the compiled transport must reach, by (nA, nE); one core, float32.
MARKS = {(100, 3): (4, 7), (400, 3): (4.5, 10), (100, 7): (6.5, 11), (400, 7): (11, 28)}
torch._dynamo.config.recompile_limit = 64  # one function, many shapes


# ------------------------------------------------------------------------------------------ the rivals


def notebook(mass: Tensor, policy: Tensor, grid: Tensor, transition: Tensor) -> Tensor:
    """The double loop of the Krusell-Smith notebook: two scatters for each pair of e and e'; all [batch, nA, nE]."""
    batch, n_a, n_e = mass.shape
    upper = torch.searchsorted(grid, policy.reshape(batch, -1)).clamp(1, n_a - 1)
    lower = upper - 1
    left, right = grid[lower], grid[upper]
    weight = (policy.reshape(batch, -1) - left) / (right - left + 1e-8)
    lower, upper, weight_upper, weight_lower = (t.view(batch, n_a, n_e) for t in (lower, upper, weight, 1 - weight))
    moved = torch.zeros(batch, n_a * n_e, dtype=mass.dtype, device=mass.device)
    for e in range(n_e):
        for f in range(n_e):
            probability = transition[e, f]
            if probability == 0:
                continue
            moved.scatter_add_(1, lower[:, :, e] * n_e + f, mass[:, :, e] * weight_lower[:, :, e] * probability)
            moved.scatter_add_(1, upper[:, :, e] * n_e + f, mass[:, :, e] * weight_upper[:, :, e] * probability)
    return moved.view(batch, n_a, n_e)


def numba_transport() -> Callable[..., np.ndarray]:
    """A compiled loop: savings that rise with assets are located by a pointer that only moves up; one economy at a time."""
    import numba

    @numba.njit(fastmath=True)
    def loop(mass, policy, grid, transition, result):
        batch, n_e, n_a = mass.shape
        moved = np.empty((n_e, n_a), mass.dtype)
        for b in range(batch):
            moved[:] = 0
            for e in range(n_e):
                j = 0
                for i in range(n_a):
                    x = min(max(policy[b, e, i], grid[0]), grid[n_a - 1])
                    while j < n_a - 2 and grid[j + 1] <= x:
                        j += 1
                    upper = mass[b, e, i] * (x - grid[j]) / (grid[j + 1] - grid[j])
                    moved[e, j] += mass[b, e, i] - upper
                    moved[e, j + 1] += upper
            for f in range(n_e):
                result[b, f] = 0
                for e in range(n_e):
                    for i in range(n_a):
                        result[b, f, i] += transition[e, f] * moved[e, i]
        return result

    return loop


# ------------------------------------------------------------------------------------------ measuring


class Clock:
    def __init__(self, device: torch.device, threads: int) -> None:
        self.cuda = device.type == "cuda"
        self.read = time.thread_time if threads == 1 and not self.cuda else time.perf_counter

    def __call__(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return self.read()

    def best(
        self, functions: dict[str, Callable[[], object]], rounds: int = 9, seconds: float = 0.08
    ) -> dict[str, float]:
        """Milliseconds a call: the best round of each, the functions taking turns."""
        times, repeats = dict.fromkeys(functions, float("inf")), {}
        for name, function in functions.items():
            for _ in range(2):
                function()
            began = self()
            function()
            repeats[name] = max(1, int(seconds / (self() - began)))
        for _ in range(rounds):
            for name, function in functions.items():
                began = self()
                for _ in range(repeats[name]):
                    function()
                times[name] = min(times[name], 1e3 * (self() - began) / repeats[name])
        return times


def economies(n_a: int, n_e: int, device: torch.device, batch: int = ECONOMIES, dtype: torch.dtype = torch.float32):
    """Masses and savings [batch, nE, nA] that rise with assets, the grid [nA] and the transition [nE, nE]."""
    generator = torch.Generator().manual_seed(0)
    grid = TOP * torch.linspace(0, 1, n_a, dtype=torch.float64) ** 2
    income = torch.linspace(0.1, 2.0, n_e, dtype=torch.float64)[:, None]
    level = torch.linspace(0.8, 1.2, batch, dtype=torch.float64)[:, None, None]
    policy = 0.97 * grid + level * income
    mass = torch.rand(batch, n_e, n_a, dtype=torch.float64, generator=generator)
    mass /= mass.sum((-2, -1), keepdim=True)
    transition = torch.softmax(3 * torch.eye(n_e) + torch.randn(n_e, n_e, generator=generator), -1)
    return tuple(t.to(device, dtype).contiguous() for t in (mass, policy, grid, transition))


def both_ways(function: Callable[..., Tensor], mass: Tensor, policy: Tensor) -> Callable[[], object]:
    """The function and its gradients with respect to masses and savings."""
    mass, policy = mass.clone().requires_grad_(), policy.clone().requires_grad_()
    direction = torch.linspace(0, 1, mass.numel(), dtype=mass.dtype, device=mass.device).view_as(mass)
    return lambda: torch.autograd.grad(function(mass, policy), (mass, policy), direction)


def speeds(
    n_a: int, n_e: int, arguments: argparse.Namespace, clock: Clock, table: Table, shuffled: bool = False
) -> None:
    device = torch.device(arguments.device)
    mass, policy, grid, transition = economies(n_a, n_e, device)
    if shuffled:
        policy = policy[..., torch.randperm(n_a, generator=torch.Generator().manual_seed(1)).to(device)].contiguous()
    fast = histogram.Grid(grid)
    turned = mass.mT.contiguous(), policy.mT.contiguous()

    def with_grid(m: Tensor, p: Tensor) -> Tensor:
        return histogram.transport(m, p, fast, transition)

    torch_variants = {
        "eager, tensor": lambda m, p: histogram.transport(m, p, grid, transition),
        "eager, Grid": with_grid,
    }
    if not arguments.no_compile:
        torch_variants["compiled, Grid"] = torch.compile(with_grid, fullgraph=True, dynamic=False)
    forward: dict[str, Callable[[], object]] = {"notebook": lambda: notebook(*turned, grid, transition)}
    if device.type == "cpu" and not shuffled:
        loop, arrays, result = (
            numba_transport(),
            [t.numpy() for t in (mass, policy, grid, transition)],
            mass.numpy() * 0,
        )
        forward["numba, monotone"] = lambda: loop(*arrays, result)
    forward |= {name: lambda f=f: f(mass, policy) for name, f in torch_variants.items()}
    forward["copy"] = mass.clone
    backward = {"notebook": both_ways(lambda m, p: notebook(m, p, grid, transition), *turned)}
    backward |= {name: both_ways(f, mass, policy) for name, f in torch_variants.items()}

    expected = notebook(*(t.double() for t in turned), grid.double(), transition.double()).mT
    for name, function in forward.items():
        if name not in ("notebook", "copy"):
            found = torch.as_tensor(function()).to(device)
            torch.testing.assert_close(found, expected.to(found.dtype), rtol=1e-3, atol=1e-7, msg=name)
    with torch.no_grad():
        there = clock.best(forward)
    back = clock.best(backward, rounds=5)

    entry = 1e6 / mass.numel()  # ns an entry for each ms
    moved = 1e-6 * mass.element_size() * mass.numel()  # GB/s for each 1 / ms, and each array
    copy = 2 * moved / there.pop("copy")
    marks = dict(zip(("eager, Grid", "compiled, Grid"), MARKS.get((n_a, n_e), (0, 0)), strict=True))
    for name, ms in there.items():
        ratio, bandwidth = there["notebook"] / ms, 3 * moved / ms
        mark = marks.get(name, 0) if device.type == "cpu" and not shuffled else 0
        row = [f"{n_a} x {n_e}" + (", random order" if shuffled else ""), name, f"{ms:.3f}", f"{entry * ms:.1f}"]
        row += [f"{ratio:.1f}", f"{mark:g} {'yes' if ratio >= mark else 'NO'}" if mark else ""]
        row += [f"{bandwidth:.2f}", f"{bandwidth / copy:.0%}"]
        row += [f"{back[name]:.3f}", f"{back['notebook'] / back[name]:.1f}"] if name in back else ["", ""]
        table.add_row(*row, end_section=name == list(there)[-1])


def two_assets(device: torch.device, clock: Clock, economies_: int = 32) -> Table:
    """Transport over two assets beside that over one with as many nodes; both assets rise with themselves."""
    table = Table(
        title=f"{economies_} economies, nB x nA x nE against nB * nA x nE", title_justify="left", show_edge=False
    )
    for heading in ("nB x nA x nE", "two assets, ms", "one asset, ms", "ratio", "with gradient: two", "one", "ratio "):
        table.add_column(heading, no_wrap=True)
    for n_b, n_a, n_e in ((25, 25, 3), (40, 40, 3), (50, 70, 3)):
        mass, savings, nodes, transition = economies(n_b * n_a, n_e, device, batch=economies_)
        grids = tuple(histogram.Grid(TOP * torch.linspace(0, 1, n, device=device) ** 2) for n in (n_b, n_a))
        both = mass.unflatten(-1, (n_b, n_a))
        b_next = (0.95 * grids[0].nodes[:, None] + 0.3).expand_as(both)
        a_next = (0.97 * grids[1].nodes + 0.2).expand_as(both)
        policies = torch.stack([b_next, a_next])
        line = histogram.Grid(nodes)

        def two(m: Tensor, p: Tensor, g=grids, t: Tensor = transition) -> Tensor:
            return histogram.transport_two(m, p.unbind(), g, t)

        def one(m: Tensor, p: Tensor, g=line, t: Tensor = transition) -> Tensor:
            return histogram.transport(m, p, g, t)

        with torch.no_grad():
            there = clock.best(
                {"two": lambda f=two, m=both, p=policies: f(m, p), "one": lambda f=one, m=mass, p=savings: f(m, p)}
            )
        back = clock.best({"two": both_ways(two, both, policies), "one": both_ways(one, mass, savings)}, rounds=5)
        row = [f"{n_b} x {n_a} x {n_e}"]
        for times in (there, back):
            row += [f"{times['two']:.2f}", f"{times['one']:.2f}", f"{times['two'] / times['one']:.1f}"]
        table.add_row(*row)
    return table


def drift(device: torch.device) -> Table:
    """What rounding does to the total mass of economies whose savings keep moving."""
    table = Table(title="Mass after 10,000 periods", title_justify="left", show_edge=False)
    for heading in ("type", "largest drift", "smallest entry"):
        table.add_column(heading, no_wrap=True)
    for dtype in (torch.float32, torch.float64):
        mass, policy, nodes, transition = economies(100, 3, device, batch=8, dtype=dtype)
        grid = histogram.Grid(nodes)
        for t in range(10_000):
            mass = histogram.transport(mass, policy * (1 + 0.05 * float(np.sin(t))), grid, transition)
        off = (mass.double().sum((-2, -1)) - 1).abs().max()
        table.add_row(str(dtype)[6:], f"{off:.1e}", f"{mass.min():.1e}")
    return table


def denormals(clock: Clock, threads: int) -> Table:
    """The same periods with and without the masses below `histogram.NEGLIGIBLE_MASS`, once the tails have faded."""
    table = Table(title="400 x 7, after 3,000 periods of fading tails", title_justify="left", show_edge=False)
    for heading in ("negligible masses", "denormals flushed", "denormal entries", "ms", "ratio"):
        table.add_column(heading, no_wrap=True)
    start, _, nodes, transition = economies(400, 7, torch.device("cpu"))
    grid = histogram.Grid(nodes)
    # Wealth converges to 20 at most: the rich dissave slowly, by less than one step of the grid a period.
    policy = (0.998 * nodes + torch.linspace(0.01, 0.04, 7)[:, None]).expand_as(start)

    def zeroed(mass: Tensor, savings: Tensor) -> Tensor:
        return histogram.transport(mass, savings, grid, transition)

    def kept(mass: Tensor, savings: Tensor) -> Tensor:
        with mock.patch.object(histogram, "NEGLIGIBLE_MASS", 0.0):
            return zeroed(mass, savings)

    times = {}
    for flushing in (False, True):
        for name, function in (("zeroed", zeroed), ("kept", kept)):
            torch.set_flush_denormal(False)
            mass = start[:1]
            for _ in range(3_000):
                mass = function(mass, policy[:1])
            mass, savings = mass.expand(ECONOMIES, -1, -1).contiguous(), policy[:1].expand_as(policy).contiguous()
            share = ((mass > 0) & (mass < torch.finfo(mass.dtype).tiny)).double().mean()
            torch.set_flush_denormal(flushing)
            times[name, flushing] = clock.best({"": lambda f=function, m=mass, s=savings: f(m, s)}, rounds=5)[""]
            row = [name, "on" if flushing else "off", f"{share:.1%}", f"{times[name, flushing]:.2f}"]
            table.add_row(*row, f"{times[name, flushing] / times['zeroed', flushing]:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", nargs="*", default=[f"{n_a}x{n_e}" for n_a, n_e in MARKS], help="nA x nE, as 400x7")
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    configure_cpu(arguments.threads)
    device, clock = torch.device(arguments.device), Clock(torch.device(arguments.device), arguments.threads)
    title = f"{ECONOMIES} economies, float32, {arguments.threads} threads, {arguments.device}"
    table = Table(title=title, title_justify="left", show_edge=False)
    for heading in (
        "nA x nE",
        "variant",
        "ms",
        "ns/entry",
        "x notebook",
        "mark",
        "GB/s",
        "of a copy",
        "with gradient",
        "x",
    ):
        table.add_column(heading, no_wrap=True)
    shapes = [(int(n_a), int(n_e)) for n_a, n_e in (shape.split("x") for shape in arguments.shapes)]
    for shape in shapes:
        speeds(*shape, arguments, clock, table)
    speeds(*shapes[-1], arguments, clock, table, shuffled=True)
    console = Console(width=130)
    console.print(table)
    console.print(
        "GB/s: histogram and savings read once and the result written once; a copy of the same size is 100 %.\n"
    )
    console.print(two_assets(device, clock))
    console.print()
    console.print(drift(device))
    if device.type == "cpu":
        console.print()
        console.print(denormals(clock, arguments.threads))


if __name__ == "__main__":
    main()
