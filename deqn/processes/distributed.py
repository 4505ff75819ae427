"""Several processes that train one model: which engine joins them, and the few operations that they share.

Engines: none (one process); torch.distributed under `torchrun` (gloo on CPUs, NCCL on GPUs); Horovod under `horovodrun`.
`mpirun` and `srun` start either. The launcher's own variables decide; several processes without a working engine are an error,
never so many copies of one run in one folder.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from deqn.errors import ConfigError, DEQNError, count
from deqn.processes.comm import Comm
from deqn.processes.launch import Launch, launched, refuse_one_of_many_tasks, set_meeting_point
from deqn.processes.peers import Peers, first_line

# of one operation: rank 0 may calibrate, or a hook may draw, for long. A process that died is noticed at once
TIMEOUT = timedelta(minutes=30)
TO_MEET = timedelta(minutes=5)


class TorchDistributed(Comm):
    """torch.distributed: gloo for tensors on the CPU, NCCL for those on a GPU."""

    joined = False  # whether this process has ever been one of several

    def __init__(self, launch: Launch) -> None:
        import torch.distributed as dist

        super().__init__(launch.rank, launch.size, launch.local_rank)
        self._dist, self._peers = dist, Peers(launch.rank)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        self.engine = f"torch.distributed {'gloo and NCCL' if 'nccl' in backend else 'gloo'}"
        if torch.cuda.is_available():
            torch.cuda.set_device(launch.local_rank % torch.cuda.device_count())
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            if not os.environ.get(name):
                raise ConfigError(
                    f"{launch.size} processes were started, but {name} is not set: it says where they meet. torchrun sets it; by "
                    "hand, set MASTER_ADDR to the name of the first machine and MASTER_PORT to a free port, the same for all."
                )
        if not os.environ["MASTER_PORT"].isdecimal():
            raise ConfigError(f"MASTER_PORT={os.environ['MASTER_PORT']}: expected the number of a free port.")
        meeting = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        hint = "Set MASTER_PORT to a free port, the same for all (torchrun: --master-port, or --standalone on one machine)."
        with _failure(f"torch.distributed could not join the processes at {meeting}", ConfigError, hint):
            store = _fresh_store(launch)
            TorchDistributed.joined = True
            dist.init_process_group(
                backend, store=store, rank=launch.rank, world_size=launch.size, timeout=TIMEOUT
            )  # fmt: skip
        self._peers.meet(self)

    def sum_(self, tensor: Tensor) -> None:
        with self._peers.noticed():
            self._dist.all_reduce(tensor)

    def broadcast_(self, tensor: Tensor) -> None:
        with self._peers.noticed():
            self._dist.broadcast(tensor, 0)

    def gather_bytes(self, content: Tensor) -> list[Tensor]:
        lengths = torch.zeros(self.size, dtype=torch.int64, device="cpu")
        lengths[self.rank] = len(content)
        self.sum_(lengths)
        longest = int(lengths.max())
        padded = torch.nn.functional.pad(content, (0, longest - len(content)))
        received = torch.empty(self.size if self.rank == 0 else 0, longest, dtype=torch.uint8, device="cpu")
        with self._peers.noticed():
            self._dist.gather(padded, [*received] or None)
        return [part[:n] for part, n in zip(received, lengths.tolist(), strict=False)]

    def close(self, together: bool = True) -> None:
        # without a barrier and an explicit end, a process may abort at exit after all its work is done
        if together:
            self.sum_(torch.zeros(1, device="cpu"))
        self._dist.destroy_process_group()


def _fresh_store(launch: Launch) -> Any:
    """Where the processes of this very start tell each other their addresses.

    When torchrun starts them again, its store still holds those of the processes before. Rank 0 names a part of its own, and
    answers each process; one that took the name of an earlier start gets no answer, and looks again.
    """
    import torch.distributed as dist

    store, _, _ = next(iter(dist.rendezvous("env://", launch.rank, launch.size, timeout=TO_MEET)))
    own, until = uuid.uuid4().hex, time.monotonic() + TO_MEET.total_seconds()
    if launch.rank == 0:
        store.set("deqn", own)
        for rank in range(1, launch.size):
            store.set(f"{own} {rank} {store.get(f'{own} {rank}').decode()}", "")
        return dist.PrefixStore(own, store)
    while True:
        first = store.get("deqn").decode()
        store.set(f"{first} {launch.rank}", own)
        look_again = time.monotonic() + 1
        while time.monotonic() < look_again:
            if store.check([f"{first} {launch.rank} {own}"]):
                return dist.PrefixStore(first, store)
            time.sleep(0.005)
        if time.monotonic() > until:
            raise RuntimeError(f"rank 0 did not answer within {TO_MEET}")


class Horovod(Comm):
    """Horovod, as scripts/install_horovod.sh builds it. Tensors on a GPU go through the CPU unless it was built with NCCL."""

    def __init__(self, launch: Launch) -> None:
        try:
            import horovod.torch as hvd
        except ImportError as error:
            raise ConfigError(
                f"{launch.launcher} has started {launch.size} processes, and Horovod cannot be imported ({error}). Install it "
                "with scripts/install_horovod.sh, or start the run with torchrun: torchrun --nproc-per-node "
                f"{launch.size} run_deepnet.py ..."
            ) from error
        if launch.launcher == "horovodrun" and not (os.environ.get("HOROVOD_GLOO_RENDEZVOUS_ADDR") or hvd.mpi_built()):
            raise ConfigError(
                f"HOROVOD_SIZE={launch.size} is set, but HOROVOD_GLOO_RENDEZVOUS_ADDR is not, which horovodrun sets beside it: "
                f"it is left over. Unset it, or start the run with horovodrun -np {launch.size} python run_deepnet.py ..."
            )
        with _failure("Horovod could not join the processes", ConfigError):
            hvd.init()
        if hvd.size() != launch.size:
            raise ConfigError(
                f"{launch.launcher} has started {launch.size} processes, but Horovod sees {hvd.size()}: it was built without "
                "support for this launcher. Use horovodrun or torchrun, or build it with scripts/install_horovod.sh --mpi."
            )
        super().__init__(hvd.rank(), hvd.size(), hvd.local_rank())
        self._hvd, self._peers = hvd, Peers(hvd.rank())
        self._on_gpu = bool(hvd.nccl_built())
        self.engine = f"horovod {'gloo' if hvd.gloo_enabled() else 'mpi'}{' and NCCL' if self._on_gpu else ''}"
        if torch.cuda.is_available():
            torch.cuda.set_device(self.local_rank % torch.cuda.device_count())
        self._peers.meet(self)

    def sum_(self, tensor: Tensor) -> None:
        self._through_cpu(tensor, lambda x: self._hvd.allreduce_(x, op=self._hvd.Sum, name="sum"))

    def broadcast_(self, tensor: Tensor) -> None:
        self._through_cpu(tensor, lambda x: self._hvd.broadcast_(x, 0, name="broadcast"))

    def gather_bytes(self, content: Tensor) -> list[Tensor]:
        with self._peers.noticed():
            lengths = self._hvd.allgather(torch.tensor([len(content)], device="cpu"), name="lengths")
            together = self._hvd.allgather(content, name="bytes")
        return list(together.split(lengths.tolist())) if self.rank == 0 else []

    def _through_cpu(self, tensor: Tensor, operation: Callable[[Tensor], Any]) -> None:
        with self._peers.noticed():
            if tensor.is_cuda and not self._on_gpu:
                on_cpu = tensor.cpu()
                operation(on_cpu)
                tensor.copy_(on_cpu)
            else:
                operation(tensor)

    def close(self, together: bool = True) -> None:
        if together:
            self.sum_(torch.zeros(1, device="cpu"))
            self._hvd.shutdown()


def connect(environment: Mapping[str, str] = os.environ) -> Comm:
    """Joins the processes of this launch.

    Raises:
        ConfigError: when there are several and no engine joins them.
    """
    launch = launched(environment)
    if launch is None:
        refuse_one_of_many_tasks(environment)
        return Comm()
    if launch.launcher == "horovodrun":
        return Horovod(launch)
    if launch.launcher == "mpirun" and _horovod_has_mpi():
        return Horovod(launch)
    if launch.launcher != "torchrun":
        set_meeting_point(launch, environment)
    return TorchDistributed(launch)


def refuse_shared_gpus(comm: Comm, device: str) -> None:
    """Several processes have a GPU each.

    Args:
        device: of the configuration.

    Raises:
        ConfigError: on all processes, where two of them would be on one GPU.
    """
    n_gpus = torch.cuda.device_count() if device != "cpu" and torch.cuda.is_available() else 0
    named = n_gpus > 0 and re.fullmatch(r"cuda:\d+", device) is not None
    everyone = comm.gather([named, 0 < n_gpus <= comm.local_rank])  # whatever a machine has: all processes take part

    def check() -> None:
        if comm.size > 1 and any(one for one, _ in everyone):
            raise ConfigError(
                f"device = {device!r} is one GPU for {comm.size} processes. Give device=cuda: each takes its own."
            )
        if any(without for _, without in everyone) and "NCCL" in comm.engine:
            raise ConfigError(
                f"there are more processes on a machine than GPUs ({count(n_gpus, 'GPU')} on the first one), and NCCL needs one "
                "each. Start as many processes as there are GPUs, or give device=cpu."
            )

    comm.first(check)


def _horovod_has_mpi() -> bool:
    try:
        import horovod.torch as hvd
    except ImportError:
        return False
    return bool(hvd.mpi_built())


@contextlib.contextmanager
def _failure(what: str, kind: type[DEQNError], hint: str = "") -> Any:
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise kind(f"{what}: {first_line(error).rstrip('.')}. {hint}".rstrip()) from error


def end(status: Any) -> None:
    """Ends a process that was one of several, after its work, without the destructors of C++ libraries.

    Where threads of torch.distributed are still there, these abort now and then, and a finished run would end with status -6.
    """
    if TorchDistributed.joined:
        atexit._run_exitfuncs()
        if isinstance(status, str):
            print(status, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))
