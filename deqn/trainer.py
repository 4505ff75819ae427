"""Training: simulate an episode, take gradient steps on its states, repeat."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from deqn import checkpoint, diagnose, loss, resolve, simulate
from deqn.checkpoint import Checkpoints
from deqn.cpu import configure_cpu
from deqn.errors import CheckpointError, ModelError, SaveError, TrainingError
from deqn.model import Model
from deqn.run_folder import RunFolder, changes, comparable, config_hash, files_hash, versions
from deqn.train_state import TrainState

_EPISODE = 0.005  # seconds of logs and a checkpoint
_UPDATE = 1.25  # a step with its update of the parameters, in units of the step without


@dataclass
class Record:
    """Numbers of one episode for the monitor, gathered once at its end.

    Attributes:
        epochs: for each epoch, (mean loss, mean loss without penalties) per state.
        scalars: by TensorBoard name, mean over the episode's steps.
        residuals: of the last minibatch, by equation.
        seconds: time that the episode took.
    """

    episode: int
    step: int
    epochs: list[tuple[float, float]]
    scalars: dict[str, float]
    residuals: dict[str, Tensor]
    learning_rate: float
    n_steps: int
    seconds: float


class Watcher(Protocol):
    """What the trainer tells; `deqn.monitor.Monitor` and tests listen."""

    def episode(self, record: Record, state: Tensor) -> None: ...
    def message(self, text: str) -> None: ...


class Interrupted(Exception):
    """A signal came while an episode was under way."""


@dataclass
class FlatGradient:
    """All gradients in one tensor: one operation to clear, check, clip or average them, and memory that never moves."""

    parameters: list[torch.nn.Parameter]
    flat: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.flat = torch.zeros(
            sum(p.numel() for p in self.parameters), dtype=self.parameters[0].dtype, device=self.parameters[0].device
        )
        start = 0
        for parameter in self.parameters:
            parameter.grad = self.flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()


class Trainer:
    """Trains one model in one run folder.

    Args:
        model: the linked model; `fit` trains its network in place.
        folder: the run folder, already taken; None trains without leaving anything on the disk.
        watcher: is told of every episode.
    """

    def __init__(self, model: Model, folder: RunFolder | None = None, watcher: Watcher | None = None) -> None:
        self.model, self.config, self.folder, self.watcher = model, model.config, folder, watcher
        config = self.config
        configure_cpu(config.run.threads)
        torch.manual_seed(config.seed)
        model.fit_normalization()
        parameters = [p for p in model.network.parameters() if p.requires_grad]
        settings = config.optimizer
        optimizer = resolve.optimizer(
            settings.optimizer, parameters, settings.learning_rate, settings.optimizer_kwargs
        )  # fmt: skip
        total_steps = config.run.N_episodes * config.steps_per_episode
        make_schedule = resolve.schedule(settings.learning_rate_schedule, settings.schedule_kwargs, total_steps)
        schedule = make_schedule(optimizer) if make_schedule is not None else None
        starting_state = model.initial_states(config.run.N_sim_batch)
        self.state = TrainState(model.network, optimizer, schedule, model.rng, starting_state, settings.learning_rate)
        self.header = self._header()
        self.gradient = FlatGradient(parameters)
        self.checkpoints = Checkpoints(folder.path, config.MAX_TO_KEEP_NUMBER, checkpoint.PAYLOAD) if folder else None
        self.signal: int | None = None
        self._unsaved: str | None = None
        self._last: loss.LossTerms
        # a check on the host would wait for the GPU in every step; there the optimizer itself skips the step
        self._skip_on_device = starting_state.is_cuda and getattr(optimizer, "_step_supports_amp_scaling", False)
        self._bad_step = torch.zeros((), device=model.device)
        self._terms, self._step = loss.terms, model.step
        if config.run.compile:
            self._terms = torch.compile(loss.terms, fullgraph=True, dynamic=False)
            self._step = torch.compile(model.step, fullgraph=True, dynamic=False)
        model.set_run(starting_state=starting_state)

    # -- start and end --------------------------------------------------------------------------------------------

    def _header(self) -> dict[str, Any]:
        """What a checkpoint was made with; compared before it is loaded."""
        variables = self.config.variables
        shapes = [[*p.shape] for p in self.model.network.parameters()]
        weights = [shape for shape in shapes if len(shape) > 1]
        network = "x".join(map(str, [weights[0][1], *(shape[0] for shape in weights)])) if weights else "none"
        return {
            "format": checkpoint.FORMAT,
            "model": self.model.name,
            "states": [{"name": v.name, "shape": v.shape} for v in variables.states],
            "policies": [{"name": v.name, "shape": v.shape} for v in variables.policies],
            "network": f"{network} ({sum(p.numel() for p in self.model.network.parameters())} parameters)",
            "dtype": self.config.run.keras_precision,
            "optimizer": type(self.state.optimizer).__name__,
            "configuration": config_hash(self.config),
            "model_files": files_hash(self.model.folder),
            "versions": versions(),
        }

    def restore(self, starting_point: str) -> list[str]:
        """Fills the state from `LATEST` or a named checkpoint.

        Returns:
            Lines that tell what was done.

        Raises:
            CheckpointError: when there is none, or it does not fit.
        """
        if self.checkpoints is None:
            raise CheckpointError("there is no run folder to resume from.")
        payload, name, lines = self.checkpoints.load(starting_point, self.model.device)
        header = self.header
        checkpoint.check_fit(payload["header"], header, name, self.checkpoints.folder.parent)
        try:
            self.state.restore(payload)
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{name} was trained with another network or optimizer: {' '.join(str(error).split())[:200]}\n  Use the "
                f"run's own configuration: USE_CONFIG_FROM_RUN_DIR={self.checkpoints.folder.parent}"
            ) from error
        lines.append(f"Resumed from {name}: {self.state.episode} episodes, {self.state.step} gradient steps.")
        if payload["header"]["model_files"] != header["model_files"]:
            lines.append(f"The files of {self.model.folder} have changed since {name} was written.")
        if payload["header"]["configuration"] != header["configuration"] and self.folder is not None:
            differences = changes(self.folder.read().get("configuration", {}), comparable(self.config))
            lines.append(f"The configuration has changed since {name} was written: {'; '.join(differences[:5])}.")
        return lines

    def fit(self) -> TrainState:
        """Trains until `N_episodes` or a signal; writes a checkpoint at the end in either case.

        Raises:
            TrainingError: at the first number that is not finite; the last good checkpoint is kept.
            SaveError: when training ended but its last checkpoint could not be written.
        """
        state, run = self.state, self.config.run
        with self.model.context(), self._signals():
            self._set_aside()
            if state.episode == 0 and self.model.post_init is not None:
                self._post_init()
            good = self._payload()
            try:
                while state.episode < run.N_episodes and self.signal is None:
                    record = self.episode()
                    good = self._finite_payload()
                    if state.episode % self.config.CHECKPOINT_INTERVAL == 0:
                        self._save(good)
                    if self.watcher is not None:
                        self.watcher.episode(record, state.starting_state)
            except Interrupted:
                state.restore(good)  # the episode under way is simulated anew, from the same generators
            except TrainingError as error:
                self._save(good)
                raise self._advise(error, good["episode"]) from error
            except Exception as error:
                self._save(good)  # a hook that fails costs no episode
                if run.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    reason = " ".join(str(error).split())[:300]
                    raise ModelError(
                        f"run.compile: torch.compile cannot take {self.model.folder} in one graph, or finds no C++ compiler: "
                        f"{reason}\n  Train with run.compile=false."
                    ) from error
                raise
            finally:
                self.model.network.eval()
            self._save(good)
        if self._unsaved is not None:
            raise SaveError(f"training ended, but its last checkpoint could not be written: {self._unsaved}")
        return state

    def estimate_seconds(self) -> float | None:
        """How long the run should take on this machine: one simulated period and one step are timed, and nothing is changed.

        None for a compiled run, whose time is mostly that of compiling.
        """
        run, network = self.config.run, self.model.network
        if run.compile:
            return None
        rng_state = self.state.rng.get_state()
        states = self.state.starting_state
        batch = states[torch.arange(run.N_minibatch_size, device=states.device) % len(states)]
        parameters = [p for p in network.parameters() if p.requires_grad]
        network.eval()  # neither dropout's draws nor the statistics of batch normalisation are touched
        with self.model.context():
            period = _seconds(lambda: self._step(states))
            step = _seconds(
                lambda: torch.autograd.grad(self._terms(self.model, batch).loss, parameters, allow_unused=True)
            )
        self.state.rng.set_state(rng_state)
        left = run.N_episodes - self.state.episode
        return left * (run.N_episode_length * period + self.config.steps_per_episode * step * _UPDATE + _EPISODE)

    def _post_init(self) -> None:
        try:
            with torch.no_grad():
                if self.model.post_init is not None:
                    self.model.post_init()
        except Exception as error:
            raise self.model.failed("post_init()", error) from error

    # -- the loop -------------------------------------------------------------------------------------------------

    def episode(self) -> Record:
        """Simulates one episode and takes its gradient steps; the numbers of the episode."""
        state, config = self.state, self.config
        began = time.perf_counter()
        self.model.network.eval()
        states, next_start = simulate.episode(self._step, state.starting_state, config.run.N_episode_length)
        self.model.network.train()
        epochs = [self._epoch(states) for _ in range(config.run.N_epochs_per_episode)]
        self.model.network.eval()
        if config.redraw:
            next_start = self.model.initial_states(config.run.N_sim_batch)
        state.starting_state.copy_(next_start)
        state.episode += 1
        return self._record(states, epochs, began)

    def _epoch(self, states: Tensor) -> Tensor:
        """One pass over the states; the sums over its steps of loss, net loss, deviations and penalties."""
        run = self.config.run
        sums = torch.zeros((), dtype=states.dtype, device=states.device)
        for batch in simulate.minibatches(states, run.N_minibatch_size, run.sorted_within_batch, self.state.rng):
            self._last = terms = self.step(batch)
            scalars = torch.stack(
                [
                    terms.loss.detach(),
                    terms.net_loss.detach(),
                    *_detached(terms.deviations),
                    *_detached(terms.penalties),
                ]
            )
            sums = sums + scalars
            if self.signal is not None:
                raise Interrupted
        return sums

    def step(self, states: Tensor) -> loss.LossTerms:
        """One gradient step on a minibatch `[batch, n_states]`."""
        state, clip = self.state, self.config.optimizer.clipvalue
        flat = self.gradient.flat
        flat.zero_()
        with self._numerics():
            terms = self._terms(self.model, states)
            terms.loss.backward()
        finite = torch.isfinite(terms.loss.detach() + flat.sum())
        if self._skip_on_device:
            self._bad_step = torch.maximum(self._bad_step, (~finite).to(self._bad_step.dtype))
            state.optimizer.found_inf = self._bad_step  # type: ignore[attr-defined]
        elif not finite:
            self._stop_not_finite(states)
        if clip is not None:
            flat.clamp_(-clip, clip)
        state.optimizer.step()
        if state.schedule is not None:
            state.schedule.step()
        state.step += 1
        return terms

    def _record(self, states: Tensor, epochs: list[Tensor], began: float) -> Record:
        """The episode's numbers, brought from the device at once."""
        if self._skip_on_device and bool(self._bad_step):
            self._stop_not_finite(states.reshape(-1, states.shape[-1]))
        run = self.config.run
        per_epoch = self.config.steps_per_episode // run.N_epochs_per_episode
        n_states, n_steps = per_epoch * run.N_minibatch_size, self.config.steps_per_episode
        rows = torch.stack(epochs)
        numbers = torch.cat([rows, rows.sum(0, keepdim=True)]).tolist()
        terms = self._last
        names = ["loss", "net_loss", *(f"dev_{name}" for name in terms.deviations), *terms.penalties]
        return Record(
            episode=self.state.episode,
            step=self.state.step,
            epochs=[(row[0] / n_states, row[1] / n_states) for row in numbers[:-1]],
            scalars={name: value / n_steps for name, value in zip(names, numbers[-1], strict=True)},
            residuals=terms.residuals,
            learning_rate=float(self.state.optimizer.param_groups[0]["lr"]),
            n_steps=n_steps,
            seconds=time.perf_counter() - began,
        )

    # -- what can go wrong ----------------------------------------------------------------------------------------

    def _stop_not_finite(self, states: Tensor) -> None:
        minibatch = self.state.step % self.config.steps_per_episode + 1
        reason = diagnose.explain(self.model, states)
        raise TrainingError(f"not a finite number in episode {self.state.episode + 1}, step {minibatch}: {reason}")

    def _advise(self, error: TrainingError, episode: int) -> TrainingError:
        kept = f"Kept ckpt-{episode}." if self.checkpoints is not None else f"The last good episode is {episode}."
        return TrainingError(
            f"{error}\n  {kept} Try: a smaller optimizer.learning_rate, optimizer.clipvalue, or bounds in the YAML on what "
            "must stay positive."
        )

    def _numerics(self) -> contextlib.AbstractContextManager[Any]:
        if not self.config.enable_check_numerics:
            return contextlib.nullcontext()
        stack = contextlib.ExitStack()
        stack.enter_context(torch.autograd.set_detect_anomaly(True, check_nan=True))
        stack.enter_context(diagnose.CheckNumerics(self.model.folder))
        stack.push(self._raise_numerics)
        return stack

    def _raise_numerics(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, diagnose.NotFinite):
            raise TrainingError(f"not a finite number in episode {self.state.episode + 1}: {error}.") from error

    def _payload(self) -> dict[str, Any]:
        return {"header": self.header, **self.state.payload()}

    def _finite_payload(self) -> dict[str, Any]:
        """The payload after an episode; its last gradient step or last simulated period may have left no finite number."""
        payload = self._payload()
        bad = checkpoint.not_finite(payload)
        if bad:
            reason = diagnose.explain(self.model, self.state.starting_state)
            raise TrainingError(f"{bad} is not finite at the end of episode {self.state.episode}: {reason}")
        return payload

    def _set_aside(self) -> None:
        """Checkpoints that are later than where training goes on belong to another path."""
        later = self.checkpoints.set_aside(self.state.episode) if self.checkpoints is not None else []
        if later and self.watcher is not None:
            self.watcher.message(
                f"training goes on from episode {self.state.episode}: {', '.join(later)} renamed to <name>.pt.old"
            )

    def _save(self, payload: dict[str, Any]) -> None:
        """Writes a checkpoint unless it is there; a full disk is reported and tried again at the next one."""
        if self.checkpoints is None or f"ckpt-{payload['episode']}" in self.checkpoints.names():
            return
        try:
            self.checkpoints.save(payload, payload["episode"])
            if self._unsaved is not None and self.watcher is not None:
                self.watcher.message(f"ckpt-{payload['episode']} could be written again.")
            self._unsaved = None
        except OSError as error:
            first = self._unsaved is None
            free = shutil.disk_usage(self.checkpoints.folder.parent).free
            self._unsaved = f"{error} ({free:,} bytes free in {self.checkpoints.folder})"
            if first and self.watcher is not None:
                self.watcher.message(
                    f"ckpt-{payload['episode']} could not be written: {self._unsaved}. Training goes on; the next "
                    "checkpoint is tried again."
                )

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM: the first ends training after the present step, the second at once."""

        def handle(number: int, frame: Any) -> None:
            if self.signal is not None:
                raise KeyboardInterrupt
            self.signal = number

        before: dict[int, Any] = {}
        try:
            for number in (int(signal.SIGINT), int(signal.SIGTERM)):
                before[number] = signal.signal(number, handle)
        except ValueError:  # not in the main thread: signals are the caller's business
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few calls, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _detached(values: dict[str, Tensor]) -> list[Tensor]:
    return [value.detach() for value in values.values()]
