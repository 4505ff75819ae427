"""How training scales over processes: measured on this machine, and predicted for more of them by a written-down model.

    python benchmarks/scaling.py                                        1, 2, 4 processes, torchrun and (if installed) Horovod
    python benchmarks/scaling.py --processes 1 2 --engines torchrun
    python benchmarks/scaling.py --device cuda --processes 1            one GPU
    python benchmarks/scaling.py --gpu-latency 1e-5 --gpu-bandwidth 5e10 ...    another network in the prediction

Strong scaling divides a minibatch (and the simulated economies) among the processes; weak scaling gives each as many as one
has. Every figure is the median of several rounds on the slowest process, in the quietest of the launches, which take turns.

The model. A gradient step of b states on one of p processes takes

    step(b, p) = k(p) * compute(b) + sum(n, p)
    compute(b) = e * (ops * t_op + flops(b) / rate + bytes(b) / bandwidth)
    sum(n, p)  = hops(p) * latency + 2 (p - 1) / p * 4 n / link

ops, flops and bytes are counted in one step; t_op (one tiny operation with its gradient), rate (products of 512 x 512) and
bandwidth (a product of tensors as large as the states) are timed alone, e is by how much the step takes longer than that with the
shipped minibatch. k(p) is how much slower the same process is while p - 1 others compute beside it, without talking: one where
each has a device of its own. n is the number of entries that are summed. A ring (gloo, Horovod) has 2 (p - 1) hops, a tree (NCCL)
2 log2 p. For CPUs latency and link are fitted to sums over two processes; for GPUs they are the options below, taken from data
sheets, not measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import deqn
from deqn.economy.probe import probe
from deqn.processes import distributed
from deqn.processes.comm import Comm
from deqn.training.cpu import configure_cpu
from deqn.training.trainer import Trainer

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("torchrun", "horovodrun")
MINIBATCHES = (16, 32, 64, 128)  # 32 is the shipped one of krusell_smith
ECONOMIES = (64, 128, 256)
SUMS = (1_000, 10_000, 100_000, 1_000_000, 4_000_000)  # entries
ROUNDS, SECONDS = 5, 0.3


# -- in each process --------------------------------------------------------------------------------------------------


class Clock:
    """Times what all processes do together: the median of several rounds, of equally many repeats on all of them."""

    def __init__(self, comm: Comm, device: torch.device) -> None:
        self.comm, self.device = comm, device

    def together(self) -> None:
        self.comm.sum_(torch.zeros(1))

    def read(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def repeats(self, function: Callable[[], object]) -> int:
        function()
        self.together()
        began = self.read()
        function()
        seconds = self.comm.first(lambda: self.read() - began)
        return max(2, min(2000, int(SECONDS / seconds)))

    def median(self, function: Callable[[], object], after: Callable[[int], None] = lambda n: None) -> float:
        """Seconds a call on the slowest process; `after` is told the number of calls after each round."""
        n, rounds = self.repeats(function), []
        for _ in range(ROUNDS):
            self.together()
            began = self.read()
            for _ in range(n):
                function()
            rounds.append((self.read() - began) / n)
            after(n)
        everywhere = self.comm.gather(float(np.median(rounds)))
        return self.comm.first(lambda: max(everywhere))


class Spent:
    """Time that the gradient steps of a process spend in the operations that it shares with the others."""

    def __init__(self, comm: Comm) -> None:
        self.seconds, self.rounds = 0.0, []  # type: ignore[var-annotated]
        mean = comm.mean_

        def timed(tensor: torch.Tensor) -> None:
            began = time.perf_counter()
            mean(tensor)
            self.seconds += time.perf_counter() - began

        comm.mean_ = timed  # type: ignore[method-assign]

    def after(self, n: int) -> None:
        self.rounds.append(self.seconds / n)
        self.seconds = 0.0


def sent_bytes() -> int | None:
    """Bytes that went through the loopback interface so far."""
    devices = Path("/proc/net/dev")
    if not devices.exists():
        return None
    (line,) = (line for line in devices.read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.partition(":")[2].split()[0])


def trainer_of(arguments: argparse.Namespace, comm: Comm) -> Trainer:
    model = deqn.load_model(arguments.model, [f"device={arguments.device}", "optimizer.learning_rate=1e-9"])
    probe(model)
    trainer = Trainer(model, comm=comm)
    model.network.train()
    return trainer


def measure(arguments: argparse.Namespace) -> None:
    """What one of the processes does; rank 0 writes the figures."""
    comm = distributed.connect()
    configure_cpu(1)
    trainer, alone = trainer_of(arguments, comm), trainer_of(arguments, Comm())
    model, clock = trainer.model, Clock(comm, trainer.model.device)
    found: dict[str, Any] = {"engine": comm.engine, "entries": len(trainer.gradient.shared)}
    with model.context():
        if comm.size > 1:
            tensors = {n: torch.zeros(n, device=model.device) for n in (*SUMS, found["entries"])}
            found["sum"] = {n: clock.median(lambda x=x: comm.sum_(x)) for n, x in tensors.items()}
            states = model.initial_states(MINIBATCHES[0])
            n, before = 200, sent_bytes()
            for _ in range(n):
                trainer.step(states)
            if before is not None:
                found["bytes"] = (sent_bytes() - before) / n
        batches = {b: model.initial_states(b) for b in MINIBATCHES}
        found["apart"] = {b: clock.median(lambda s=s: alone.step(s)) for b, s in batches.items()}
        found["step"], found["shared"] = {}, {}
        spent = Spent(comm)
        for b, states in batches.items():
            spent.seconds, spent.rounds = 0.0, []
            found["step"][b] = clock.median(lambda s=states: trainer.step(s), spent.after)
            found["shared"][b] = float(np.median(spent.rounds)) if comm.size > 1 else 0.0
        economies = {b: model.initial_states(b) for b in ECONOMIES}
        found["period"] = {b: clock.median(lambda s=s: model.step(s)) for b, s in economies.items()}
        if comm.size == 1:
            found["model"] = counted(alone, batches, clock)
    comm.first(lambda: Path(arguments.write).write_text(json.dumps(found)))
    comm.close()
    distributed.end(0)


class Counter(TorchDispatchMode):
    """Operations that are no views, and the bytes of what they read and write."""

    ops = bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returns = [r.alias_info for r in func._schema.returns]
        if not any(alias is not None and not alias.is_write for alias in returns):
            self.ops += 1
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return result


def counted(trainer: Trainer, batches: dict[int, torch.Tensor], clock: Clock) -> dict[str, Any]:
    """What a step does, and how fast this machine does such things."""
    result: dict[str, Any] = {"ops": {}, "flops": {}, "bytes": {}, "bandwidth": {}}
    for b, states in batches.items():
        with Counter() as counter, FlopCounterMode(display=False) as flops:
            trainer.step(states)
        wide = states.abs() + 1.0
        seconds = clock.median(lambda x=wide: x * x)
        result["ops"][b], result["bytes"][b], result["flops"][b] = counter.ops, counter.bytes, flops.get_total_flops()
        result["bandwidth"][b] = 3 * states.numel() * states.element_size() / seconds
    square, small = torch.rand(512, 512, device=states.device), torch.rand(8, device=states.device, requires_grad=True)
    result["rate"] = 2 * 512**3 / clock.median(lambda: square @ square)

    def tiny() -> None:
        x = small
        for _ in range(100):
            x = torch.tanh(x)
        x.sum().backward()

    with Counter() as counter:
        tiny()
    result["t_op"] = clock.median(tiny) / counter.ops
    return result


# -- the launches -----------------------------------------------------------------------------------------------------


def launch(arguments: argparse.Namespace, engine: str, n: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "found.json"
        script = [
            str(Path(__file__).resolve()),
            "--write",
            str(written),
            "--model",
            arguments.model,
            "--device",
            arguments.device,
        ]
        if n == 1:
            command = [sys.executable, *script]
        elif engine == "torchrun":
            command = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                str(n),
                *script,
            ]
        else:
            runner = str(Path(sys.executable).parent / "horovodrun")
            command = [runner, "--gloo", "-np", str(n), "-H", f"localhost:{n}", sys.executable, *script]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}")
        found = json.loads(written.read_text())
    return {k: {int(b): x for b, x in v.items()} if k in _BY_SIZE else v for k, v in found.items()}


def best_of(launches: list[dict[str, Any]]) -> dict[str, Any]:
    """The quietest of several launches in each figure; the time in sums is that of its step."""
    merged = dict(launches[0])
    for name in {"sum", "apart", "step", "period"} & merged.keys():
        merged[name] = {b: min(found[name][b] for found in launches) for b in merged[name]}
    fastest = {b: min(launches, key=lambda found, b=b: found["step"][b]) for b in merged["step"]}
    return merged | {"shared": {b: found["shared"][b] for b, found in fastest.items()}}


_BY_SIZE = ("sum", "apart", "step", "shared", "period")


# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """Sums over processes: seconds a hop, bytes a second, and how many hops a sum over p processes has."""

    latency: float
    bandwidth: float
    hops: Callable[[int], float]

    def sum(self, entries: int, p: int) -> float:
        if p == 1:
            return 0.0
        return self.hops(p) * self.latency + 2 * (p - 1) / p * 4 * entries / self.bandwidth


def ring(p: int) -> float:
    return 2.0 * (p - 1)


def tree(p: int) -> float:
    return 2.0 * math.ceil(math.log2(p))


def fitted(sums: dict[int, float]) -> Link:
    """Latency and bandwidth of sums over two processes; relative errors count."""
    n, seconds = np.array([*sums]), np.array([*sums.values()])
    a = np.stack([np.full(len(n), ring(2)), 4.0 * n], axis=1) / seconds[:, None]
    latency, inverse = np.linalg.lstsq(a, np.ones(len(n)), rcond=None)[0]
    return Link(max(latency, 0.0), 1 / inverse, ring)


def compute(counts: dict[str, Any], b: int, t_op: float, rate: float, bandwidth: float) -> float:
    """Seconds of a step without its sums, before the factor e."""
    key = str(b)
    return counts["ops"][key] * t_op + counts["flops"][key] / rate + counts["bytes"][key] / bandwidth


# -- tables -----------------------------------------------------------------------------------------------------------


def table(title: str, *headings: str) -> Table:
    made = Table(title=title, title_justify="left", show_edge=False)
    for heading in headings:
        made.add_column(heading, justify="right")
    return made


def ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def show(arguments: argparse.Namespace, found: dict[tuple[str, int], dict[str, Any]], console: Console) -> None:
    one = next(f for (_, p), f in found.items() if p == 1)
    widest, shipped = max(MINIBATCHES), 32
    entries = one["entries"]
    steps = table(
        f"{arguments.model}: {entries:,} entries are summed, {4 * entries:,} bytes",
        "engine", "p", "strong: ms", "speed", "in sums", "weak: ms", "efficiency", "in sums",
        "sum alone: ms", "bytes sent / ring's", "period strong: ms", "speed", "weak: ms", "efficiency",
    )  # fmt: skip
    for (engine, p), f in found.items():
        b = widest // p
        if b not in f["step"] or max(ECONOMIES) // p not in f["period"]:
            console.print(f"{p} processes: {widest} states cannot be divided among them; left out")
            continue
        sent = f"{f['bytes'] / (ring(p) * 4 * entries):.2f}" if "bytes" in f else ""
        strong, weak, periods = f["step"][b], f["step"][shipped], f["period"]
        steps.add_row(
            engine if p > 1 else "one process", str(p), ms(strong), f"{one['step'][widest] / strong:.2f}",
            f"{100 * f['shared'][b] / strong:.0f} %", ms(weak), f"{one['step'][shipped] / weak:.2f}",
            f"{100 * f['shared'][shipped] / weak:.0f} %", ms(f["sum"][entries]) if p > 1 else "", sent,
            ms(periods[max(ECONOMIES) // p]), f"{one['period'][max(ECONOMIES)] / periods[max(ECONOMIES) // p]:.2f}",
            ms(periods[min(ECONOMIES)]), f"{one['period'][min(ECONOMIES)] / periods[min(ECONOMIES)]:.2f}",
        )  # fmt: skip
    console.print(steps)

    counts = one["model"]
    e = one["step"][shipped] / compute(
        counts, shipped, counts["t_op"], counts["rate"], counts["bandwidth"][str(shipped)]
    )
    console.print(
        f"\nt_op {1e6 * counts['t_op']:.1f} us, rate {counts['rate'] / 1e9:.0f} GFLOP/s, bandwidth "
        f"{counts['bandwidth'][str(shipped)] / 1e9:.0f} GB/s (tensors of {shipped} states), e {e:.2f}"
    )
    check = table("compute(b) on one process", "b", "ops", "MFLOP", "MB", "predicted: ms", "measured: ms", "ratio")
    predicted = {}
    for b in MINIBATCHES:
        predicted[b] = e * compute(counts, b, counts["t_op"], counts["rate"], counts["bandwidth"][str(b)])
        measured = one["step"][b]
        check.add_row(
            str(b), str(counts["ops"][str(b)]), f"{counts['flops'][str(b)] / 1e6:.1f}", f"{counts['bytes'][str(b)] / 1e6:.1f}",
            ms(predicted[b]), ms(measured), f"{predicted[b] / measured:.2f}",
        )  # fmt: skip
    console.print(check)

    links = {engine: fitted(f["sum"]) for (engine, p), f in found.items() if p == 2}
    if links:
        several = table(
            "step(b, p) on several processes", "engine", "latency: us", "link: GB/s", "p", "k(p)", "b", "predicted: ms",
            "measured: ms", "ratio", "sum predicted: ms", "measured: ms",
        )  # fmt: skip
        for (engine, p), f in found.items():
            if p == 1 or engine not in links:
                continue
            link = links[engine]
            k = f["apart"][shipped] / one["apart"][shipped]
            for b in sorted({widest // p, shipped} & {*MINIBATCHES}):
                step = k * predicted[b] + link.sum(entries, p)
                several.add_row(
                    engine, f"{1e6 * link.latency:.0f}", f"{link.bandwidth / 1e9:.2f}", str(p), f"{k:.2f}", str(b), ms(step),
                    ms(f["step"][b]), f"{step / f['step'][b]:.2f}", ms(link.sum(entries, p)), ms(f["sum"][entries]),
                )  # fmt: skip
        console.print(several)

    gpu = Link(arguments.gpu_latency, arguments.gpu_bandwidth, tree)
    t_op = max(counts["t_op"], arguments.gpu_op)
    ahead = table(
        f"predicted for GPUs, none of them measured: t_op {1e6 * t_op:.1f} us, rate {arguments.gpu_rate / 1e12:.0f} TFLOP/s, "
        f"bandwidth {arguments.gpu_memory / 1e12:.1f} TB/s, e {e:.2f}, latency {1e6 * gpu.latency:.0f} us, link "
        f"{gpu.bandwidth / 1e9:.0f} GB/s",
        "GPUs", "sum: ms", f"weak, {shipped} states each: ms", "efficiency", "weak, 4096 states each: ms", "efficiency",
        "strong, 4096 states: ms", "speed",
    )  # fmt: skip

    def on_gpu(b: float) -> float:
        """Flops and bytes grow in proportion beyond the largest minibatch that was counted."""
        flops, moved, key = counts["flops"], counts["bytes"], str(widest)
        return e * (
            counts["ops"][key] * t_op
            + b / widest * (flops[key] / arguments.gpu_rate + moved[key] / arguments.gpu_memory)
        )

    for p in (1, 2, 4, 8, 16, 32, 64):
        wait = gpu.sum(entries, p)
        small, large, strong = (on_gpu(b) + wait for b in (shipped, 4096, 4096 / p))
        ahead.add_row(
            str(p), ms(wait), ms(small), f"{on_gpu(shipped) / small:.2f}", ms(large), f"{on_gpu(4096) / large:.2f}", ms(strong),
            f"{on_gpu(4096) / strong:.2f}",
        )  # fmt: skip
    console.print(ahead)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--engines", nargs="*", choices=ENGINES, help="default: those that are installed")
    parser.add_argument("--launches", type=int, default=3, help="the quietest of so many starts of each counts")
    parser.add_argument("--model", default="krusell_smith")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--gpu-op", type=float, default=5e-6, help="seconds an operation, at least (launch of a kernel)"
    )
    parser.add_argument(
        "--gpu-rate", type=float, default=67e12, help="float32 operations a second (data sheet of an H200)"
    )
    parser.add_argument("--gpu-memory", type=float, default=4.8e12, help="bytes a second (data sheet of an H200)")
    parser.add_argument("--gpu-latency", type=float, default=1e-5, help="seconds a hop between GPUs")
    parser.add_argument("--gpu-bandwidth", type=float, default=5e10, help="bytes a second (InfiniBand, 400 Gbit/s)")
    parser.add_argument("--write", help=argparse.SUPPRESS)  # a process of a launch writes its figures there
    arguments = parser.parse_args()
    if arguments.write:
        measure(arguments)
        return
    if arguments.engines is None:
        arguments.engines = ENGINES if importlib.util.find_spec("horovod") else ENGINES[:1]
    several = [(engine, p) for p in sorted({*arguments.processes} - {1}) for engine in arguments.engines]
    launches: dict[tuple[str, int], list[dict[str, Any]]] = {key: [] for key in [("", 1), *several]}
    for _ in range(arguments.launches):  # in turn: other users of the machine come and go
        for engine, p in launches:
            launches[engine, p].append(launch(arguments, engine, p))
    show(arguments, {key: best_of(found) for key, found in launches.items()}, Console(width=180))


if __name__ == "__main__":
    main()
