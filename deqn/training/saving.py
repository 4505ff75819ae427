"""What a run leaves in its folder while it trains, and how it goes on from there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import torch

from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder, changes, comparable, config_hash, versions
from deqn.economy.dense import Dense
from deqn.economy.files import files_hash
from deqn.economy.model import Model
from deqn.errors import CheckpointError, ProcessError, count
from deqn.numerics.products import has_products
from deqn.processes.comm import Comm
from deqn.training.train_state import PART_OF_RANK, TrainState


class Saver:
    """Writes and reads the checkpoints of a run; all its processes take part, and rank 0 alone touches the disk.

    Args:
        folder: the run folder; without one nothing is written.
        say: shows a remark to the user.

    Attributes:
        header: what a checkpoint was made with; compared before it is loaded.
        unsaved: why the last checkpoint could not be written, if so.
        resumed: whether training goes on from a checkpoint.
    """

    def __init__(
        self, model: Model, state: TrainState, folder: RunFolder | None, comm: Comm, say: Callable[[str], None]
    ) -> None:  # fmt: skip
        self.model, self.config, self.state, self.folder, self.comm, self.say = (
            model, model.config, state, folder, comm, say,
        )  # fmt: skip
        self.header = _header(model, state)
        self.checkpoints = (
            Checkpoints(folder.path, self.config.MAX_TO_KEEP_NUMBER, checkpoint.PAYLOAD) if folder else None
        )
        self.unsaved: str | None = None
        self.resumed = False
        self._newest: list[str] = []

    def payload(self) -> dict[str, Any]:
        """What a checkpoint of this moment holds: a copy."""
        return {"header": self.header, **self.state.payload()}

    def use_products(self, products: str) -> None:
        """Tells the network how to take its products, and every checkpoint from now on, so that a resumed run does the same."""
        for module in self.model.network.modules():
            if isinstance(module, Dense):
                module.products = products
        self.header["products"] = products

    # -- writing --------------------------------------------------------------------------------------------------

    def save(self, payload: dict[str, Any], again: bool = False, name: str = "") -> None:
        """Writes a checkpoint unless it is there; a full disk is reported and tried again at the next one.

        Args:
            again: write it also where one of the same name is there.
            name: another than that of its episode.
        """
        if self.checkpoints is None:
            return
        parts = self.comm.gather({name: payload[name] for name in PART_OF_RANK})  # every process takes part
        name = name or f"ckpt-{payload['episode']}"
        if self.comm.rank > 0 or (not again and name in self.checkpoints.names()):
            return
        try:
            self.checkpoints.save({**payload, "others": parts[1:]}, payload["episode"], name)
            if self.unsaved is not None:
                self.say(f"{name} could be written again.")
            self.unsaved = None
        except OSError as error:
            first = self.unsaved is None
            free = shutil.disk_usage(self.checkpoints.folder.parent).free
            self.unsaved = f"{error} ({free:,} bytes free in {self.checkpoints.folder})"
            if first:
                self.say(
                    f"{name} could not be written: {self.unsaved}. Training goes on; the next checkpoint is tried again."
                )

    def set_aside(self) -> None:
        """Checkpoints that are later than where training goes on, if it does, belong to another path."""
        if self.checkpoints is None or self.comm.rank > 0 or self.state.episode >= self.config.run.N_episodes:
            return
        later = self.checkpoints.set_aside(self.state.episode)
        if later:
            self.say(f"training goes on from episode {self.state.episode}: {', '.join(later)} renamed to <name>.pt.old")

    def best_episode(self) -> int | None:
        """Of which episode the best network is that the folder keeps; None where it keeps none."""
        checkpoints = self.checkpoints
        return None if checkpoints is None else self.comm.first(checkpoints.best_episode)

    def what_is_left(self, error: ProcessError) -> ProcessError:
        """The error with what the user can go on from."""
        names = self.checkpoints.names() if self.checkpoints is not None else []
        none = "There is no checkpoint yet" if self.comm.rank == 0 else "The last checkpoint is with rank 0"
        kept = f"The last checkpoint is {names[-1]}" if names else none
        return ProcessError(f"{error}\n  {kept}; start the same processes with STARTING_POINT=LATEST to go on.")

    # -- reading --------------------------------------------------------------------------------------------------

    def restore(self, starting_point: str) -> list[str]:
        """Fills the state from `LATEST` or a named checkpoint.

        Returns:
            Lines that tell what was done.

        Raises:
            CheckpointError: when there is none, or it does not fit.
        """
        if self.checkpoints is None:
            raise CheckpointError("there is no run folder to resume from.")
        checkpoints, header = self.checkpoints, self.header

        def read() -> tuple[dict[str, Any], str, list[str]]:
            def fits(payload: dict[str, Any], name: str) -> None:
                checkpoint.check_fit(payload["header"], header, name, checkpoints.folder.parent)

            return checkpoints.load(starting_point, fits=fits)

        payload, name, lines = self.comm.first(read)
        try:
            self.state.restore(self._own_part(payload))
            lines += self._other_sizes(payload, name)
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError, ZeroDivisionError) as error:
            misfit = CheckpointError(
                f"{name} was trained with another network or optimizer: {' '.join(str(error).split())[:200]}\n  Use the "
                f"run's own configuration: USE_CONFIG_FROM_RUN_DIR={checkpoints.folder.parent}"
            )
            misfit.shared = True  # every process has the same
            raise misfit from error
        self.resumed, self._newest = True, checkpoints.names()[-1:]
        lines += self._as_before(payload["header"].get("products", "plain"), name)
        lines.append(f"Resumed from {name}: {self.state.episode} episodes, {self.state.step} gradient steps.")
        if payload["header"]["model_files"] != header["model_files"]:
            lines.append(f"The files of {self.model.folder} have changed since {name} was written.")
        if payload["header"]["configuration"] != header["configuration"] and self.folder is not None:
            differences = changes(self.folder.read().get("configuration", {}), comparable(self.config))
            if differences:
                lines.append(f"The configuration has changed since {name} was written: {'; '.join(differences[:5])}.")
        return lines

    def _as_before(self, products: str, name: str) -> list[str]:
        """Goes on with the products of a checkpoint, whatever this machine would choose."""
        if self.config.run.products != "auto":
            return []
        possible = has_products(products, self.model.dtype, self.model.device)
        self.use_products(products if possible else "plain")
        if possible:
            return []
        return [
            f"{name} was trained with run.products={products}, which this run cannot have: it goes on with plain ones."
        ]

    def refuse_if_it_went_on(self) -> None:
        """Another process may have trained on in the folder after the checkpoint was read, and before the folder was taken.

        Raises:
            CheckpointError: when a newer checkpoint is there.
        """
        if self.resumed and self.checkpoints is not None and self.checkpoints.names()[-1:] != self._newest:
            raise CheckpointError(
                f"{self.checkpoints.folder.parent}: another process has trained on there in the meantime. Start again."
            )

    def up_to(self, episode: int) -> dict[str, Any] | None:
        """The newest whole checkpoint of an episode or of one before it, if any, with this rank's own generators and states."""
        if self.checkpoints is None:
            return None
        checkpoints = self.checkpoints

        def read() -> dict[str, Any] | None:
            for name in reversed(checkpoints.names()):
                if int(name.removeprefix("ckpt-")) <= episode:
                    try:
                        return checkpoints.load(name)[0]
                    except CheckpointError as error:
                        self.say(f"{error} The one before it is taken.")
            return None

        payload = self.comm.first(read)
        return None if payload is None else self._own_part(payload)

    def _own_part(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload with the generators and states of this rank.

        With another number of processes or trajectories the states that there are are dealt out in the order of ranks; what is
        missing is newly drawn, and so are generators.
        """
        parts, rank = _parts(payload), self.comm.rank
        drawn = self.state.part_of_rank()
        own = parts[rank] if rank < len(parts) else drawn
        if len(own["rng"]) != len(drawn["rng"]):  # of a GPU, or of a CPU
            own = drawn
        n = len(self.state.starting_state)
        dealt = torch.cat([part["starting_state"] for part in parts])[rank * n : (rank + 1) * n]
        states = torch.cat([dealt.to(drawn["starting_state"]), drawn["starting_state"][len(dealt) :]])
        return payload | {name: own[name] for name in PART_OF_RANK if name in own} | {"starting_state": states}

    def _other_sizes(self, payload: dict[str, Any], name: str) -> list[str]:
        """What the user is told where the checkpoint is that of another kind of device, number of processes or trajectories."""
        parts = _parts(payload)
        lines = []
        if len(payload["rng"]) != len(self.state.rng.get_state()):
            lines.append(
                f"{name} was written on another kind of device or by other model files: random numbers are new from here on."
            )
        n, before = len(self.state.starting_state) * self.comm.size, sum(len(part["starting_state"]) for part in parts)
        if len(parts) == self.comm.size and n == before:
            return lines
        return [
            *lines,
            f"{name} was written by {count(len(parts), 'process', 'processes')} with "
            f"{count(before, 'trajectory', 'trajectories')}, this run has {self.comm.size} with {n}: it goes on from the same "
            f"parameters; {min(n, before)} trajectories go on, {max(0, n - before)} begin anew.",
        ]


def _parts(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """What each process had of its own when the checkpoint was written, in the order of ranks."""
    return [payload, *payload.get("others", [])]


def _header(model: Model, state: TrainState) -> dict[str, Any]:
    shapes = [[*p.shape] for p in model.network.parameters()]
    weights = [shape for shape in shapes if len(shape) > 1]
    network = "x".join(map(str, [weights[0][1], *(shape[0] for shape in weights)])) if weights else "none"
    variables, phases = model.config.variables, model.config.optimizer.phases
    return {
        "format": checkpoint.FORMAT,
        "model": model.name,
        "states": [{"name": v.name, "shape": v.shape} for v in variables.states],
        "policies": [{"name": v.name, "shape": v.shape} for v in variables.policies],
        "network": f"{network} ({sum(p.numel() for p in model.network.parameters())} parameters)",
        "dtype": model.config.run.keras_precision,
        "optimizer": " then ".join(phase.optimizer for phase in phases) if phases else type(state.optimizer).__name__,
        "configuration": config_hash(model.config),
        "constants": comparable(model.config)["constants"],
        "model_files": files_hash(model.folder),
        "versions": versions(),
    }
