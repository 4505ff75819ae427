"""Training: simulate an episode, take gradient steps on its states, repeat.

Source: Azinovic, Gaegauf and Scheidegger (2022), "Deep Equilibrium Nets", International Economic Review 63(4), 1471-1525, on
the training algorithm; episodes, epochs and minibatches as in the TensorFlow DEQN library of Scheidegger and co-authors.
"""

from __future__ import annotations

import time
from typing import Any, NoReturn

import torch
from torch import Tensor

from deqn.configuration import optimizers, schedules
from deqn.configuration.schema import Config
from deqn.disk import checkpoint
from deqn.disk.cache import keep_compiled, keep_trial
from deqn.disk.run_folder import RunFolder
from deqn.economy.model import Model
from deqn.economy.pseudo_states import refuse_moving
from deqn.errors import ConfigError, ModelError, ProcessError, SaveError, TrainingError, shared
from deqn.numerics.beyond_gradient import BeyondGradient
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.numerics.natural_gradient import NaturalGradient
from deqn.numerics.products import chosen, register_onednn
from deqn.processes.comm import Comm
from deqn.processes.signals import Signals
from deqn.training import curriculum, diagnose, held, least_squares, loss, losses, record, simulate
from deqn.training.compiled import compiled
from deqn.training.cpu import configure_cpu, no_garbage
from deqn.training.first_order import BadStep, FirstOrder
from deqn.training.fresh import FreshStates
from deqn.training.going_back import GoingBack
from deqn.training.gradient import Gradient
from deqn.training.least_squares import LeastSquares, Stuck
from deqn.training.progress import Progress
from deqn.training.record import Record, Watcher
from deqn.training.refit import first_layer, refit_inputs
from deqn.training.replay import Replay
from deqn.training.reweighting import Weights
from deqn.training.saving import Saver
from deqn.training.train_state import Driver, TrainState
from deqn.training.unit_variance import unit_variance
from deqn.training.warm_start import warm_start


class Interrupted(Exception):
    """A signal came while an episode was under way."""


class Trainer:
    """Trains one model in one run folder.

    Args:
        model: the linked model; `fit` trains its network in place.
        folder: the run folder, already taken; None trains without leaving anything on the disk.
        watcher: is told of every episode.
        comm: the processes that train together; only rank 0 writes and has a watcher.
    """

    @no_garbage()  # optimizers import PyTorch's compiler
    def __init__(
        self, model: Model, folder: RunFolder | None = None, watcher: Watcher | None = None, comm: Comm | None = None
    ) -> None:  # fmt: skip
        self.model, self.config, self.folder, self.watcher = model, model.config, folder, watcher
        self.comm = comm or Comm()
        config = self.config
        if config.run.compile:
            keep_compiled()  # before an optimizer imports the parts of PyTorch that look for the folder
        configure_cpu(config.run.threads)
        torch.manual_seed(config.seed + self.comm.rank)  # of dropout
        if config.net.refit_inputs_at:
            first_layer(model.network)
        model.fit_normalization()
        parameters = [p for p in model.network.parameters() if p.requires_grad]
        starting_state = model.initial_states(config.run.N_sim_batch)
        self.state = TrainState(model.network, self._driver, model.rng, starting_state)
        self.state.replay = Replay(config.run, starting_state)
        self.signals = Signals(passed_on=self.comm.size > 1)
        self.gradient = Gradient(parameters, self.comm, lambda: self.signals.received is not None)
        self.saver = Saver(model, self.state, folder, self.comm, self._say)
        self.saver.use_products(self.comm.first(lambda: chosen(config.run.products, model.dtype, model.device)))
        self._fresh = FreshStates(model, self.comm)
        self._going_back = GoingBack(config, self.state, self.saver, self.comm, self._say)
        self._steps_before = 0  # this episode
        self._last: loss.LossTerms
        self.state.weights = self._weights()
        terms = losses.loss_function(config, self.state.loss_weights)
        self.terms, self.simulated_step = terms, model.step
        if config.run.compile:
            if self.saver.header["products"] == "onednn":
                register_onednn()
            self.terms = compiled(terms)
            self.simulated_step = compiled(model.step)
        if model.pseudo_columns:
            with self.state.untouched_generators():
                refuse_moving(starting_state, model.step(starting_state), model.pseudo_columns, model.folder.name)
        self._shocks = curriculum.Shocks(model)
        if config.run.N_episodes_of_small_shocks is not None:
            self._shocks.refuse_others()
        model.set_run(starting_state=starting_state)
        for phase in range(config.n_phases):  # what is wrong with a later one is said now
            self._check_phase(phase)
        self.step_of_phase = self._make_step()

    def _weights(self) -> Weights | None:
        """Weights of the equations; None where the loss is the plain mean square."""
        settings = self.config.run.loss
        if settings.is_default:
            return None
        shapes = losses.equation_shapes(self.model)
        losses.check(settings, shapes)
        return Weights(settings, list(shapes), self.state.starting_state, self.config.seed)

    def _driver(self, phase: int) -> Driver:
        """Optimizer and schedule of a phase, new."""
        config = self.config.in_phase(phase)
        settings = config.optimizer
        where = f"optimizer.phases.{phase}" if self.config.optimizer.phases else "optimizer"
        scale = self.comm.size if optimizers.scales(settings) else 1
        kind = settings.learning_rate_schedule
        rate, kwargs = schedules.as_factors(kind, settings.schedule_kwargs, settings.learning_rate)
        learning_rate = rate * scale
        parameters = [p for p in self.model.network.parameters() if p.requires_grad]
        optimizer = optimizers.optimizer(
            settings.optimizer, parameters, learning_rate, settings.optimizer_kwargs, where
        )
        total_steps = curriculum.steps(config, first=1 + self.config.first_episode(phase))
        make_schedule = schedules.schedule(kind, schedules.scaled_rates(kwargs, scale), total_steps, where)
        return Driver(optimizer, make_schedule(optimizer) if make_schedule is not None else None, learning_rate)

    def _check_phase(self, phase: int) -> None:
        """Raises ConfigError where a phase cannot be trained in as it is configured."""
        config = self.config.in_phase(phase)
        driver = self._driver(phase)
        if isinstance(driver.optimizer, (LevenbergMarquardt, NaturalGradient)):
            least_squares.refuse(self.model, config)
        held.refuse(config, driver.optimizer)
        if isinstance(driver.optimizer, BeyondGradient) and config.run.compile:
            raise ConfigError(
                f"optimizer.optimizer = {config.optimizer.optimizer!r} takes more than one derivative of the loss, which "
                "run.compile cannot: leave one out."
            )
        self._refuse_short_schedule(driver, config)

    def _make_step(self) -> FirstOrder | LeastSquares:
        """What takes the steps of the phase that training is in."""
        state, model = self.state, self.model
        self.phase = self.config.in_phase(state.phase)
        self._phase_of_step = state.phase, state.phase_began
        if isinstance(state.optimizer, LevenbergMarquardt):
            return LeastSquares(model, self.phase, state, state.optimizer, self.gradient, self._terms)
        linearise = least_squares.linearise(model, state.loss_weights)
        return FirstOrder(model, self.phase, state, self.gradient, self._terms, linearise)

    def _terms(self, model: Model, states: Tensor) -> loss.LossTerms:
        return self.terms(model, states)

    # -- start and end --------------------------------------------------------------------------------------------

    def restore(self, starting_point: str) -> list[str]:
        """Goes on from `LATEST` or a named checkpoint; see `Saver.restore`."""
        lines = self.saver.restore(starting_point)
        state = self.state
        driver = Driver(state.optimizer, state.schedule, state.learning_rate)
        self._refuse_short_schedule(driver, self.config.in_phase(state.phase))
        return lines

    def _refuse_short_schedule(self, driver: Driver, config: Config) -> None:
        """OneCycleLR fails after its end; a checkpoint brings back the end that it had."""
        steps = curriculum.steps(config)
        ends = getattr(driver.schedule, "total_steps", None)
        if ends is None or ends >= steps:
            return
        error = ConfigError(
            f"{config.optimizer.learning_rate_schedule} ends after total_steps = {ends}, but the run has {steps} gradient "
            "steps. Give a larger optimizer.schedule_kwargs.total_steps and start NEW, or fewer run.N_episodes."
        )
        raise shared(error)

    def fit(self, quiet: bool = False) -> TrainState:
        """Trains until `N_episodes` or a signal; writes a checkpoint at the end in either case.

        Args:
            quiet: print nothing. Else, where no watcher is told of the episodes, a line every few seconds says how far it is.

        Raises:
            TrainingError: at the first number that is not finite; the last good checkpoint is kept.
            SaveError: when training ended but its last checkpoint could not be written.
        """
        if self.watcher is not None or quiet or self.comm.rank > 0:
            return self._fit()
        self.watcher = Progress(self.model, self.state.episode)
        try:
            return self._fit()
        finally:
            self.watcher = None

    def _fit(self) -> TrainState:
        state, run, saver = self.state, self.config.run, self.saver
        with self.model.context(), self.signals:
            saver.set_aside()
            if state.episode == 0 and not saver.resumed:
                if self.config.net.unit_variance:
                    with torch.no_grad():
                        unit_variance(self.model)
                if self.config.net.warm_start != "none":
                    self._say(warm_start(self.model))
                self.model.set_episode(0)
                self.model.run_post_init()
            self._broadcast_network()
            kept = self.saver.best_episode()
            good = self._finite_payload()
            self._going_back.beginning = good if self.config.on_nonfinite == "rollback" else None
            try:
                while state.episode < run.N_episodes and not self.stopping and not self.without_gain:
                    try:
                        numbers = self.episode()
                        self._fresh.after_episode(state, numbers)
                        good = self._finite_payload()
                    except Stuck as error:
                        good = self._going_back.back_to_gradients(good, error)
                        continue
                    except TrainingError as error:
                        if not self._going_back.may_roll_back(error):
                            raise
                        good = self._going_back.roll_back(good, error)
                        self.step_of_phase = self._make_step()
                        continue
                    if self.watcher is not None:  # before the checkpoint: what is killed between them is told again
                        with state.untouched_generators():  # a hook may draw
                            if (
                                self.model.for_tensorflow
                            ):  # and its generators may have no other use: not the same numbers again
                                state.rng.seed(self.config.seed + 7_919 * state.episode)
                            self.watcher.episode(numbers, state.starting_state)
                    if self._fresh.is_best(state, kept):
                        saver.save(good, True, checkpoint.BEST)
                        kept = state.episode
                    if state.episode % self.config.CHECKPOINT_INTERVAL == 0:
                        saver.save(good)
            except Interrupted:
                state.restore(good)  # the episode under way is simulated anew, from the same generators
            except TrainingError as error:
                if error.shared or self.comm.size == 1:  # else the other processes are elsewhere
                    saver.save(good)
                raise self._going_back.advise(error, good["episode"]) from error
            except ProcessError as error:
                raise saver.what_is_left(error) from error
            except Exception as error:
                if self.comm.size == 1:
                    saver.save(good)  # a hook that fails costs no episode
                if run.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    reason = " ".join(str(error).split())[:300]
                    raise ModelError(
                        f"run.compile: torch.compile cannot take {self.model.folder} in one graph, or finds no C++ compiler: "
                        f"{reason}\n  Train with run.compile=false."
                    ) from error
                raise
            finally:
                self.model.network.eval()
            if run.compile:
                keep_trial()
            saver.save(good)
            for line in self._fresh.closing_lines(state, kept):
                self._say(line)
            if self.comm.size > 1:
                received = self.comm.gather(self.signals.received or 0)
                self.signals.received = self.comm.first(lambda: max(received)) or None
        unsaved = self.comm.first(lambda: saver.unsaved)
        if unsaved is not None:
            raise shared(SaveError(f"training ended, but its last checkpoint could not be written: {unsaved}"))
        return state

    @property
    def without_gain(self) -> bool:
        """Whether training ends before its last episode, since it has gained nothing for as long as `run.accuracy` allows."""
        return self._fresh.is_over(self.state)

    @property
    def signal(self) -> int | None:
        """Number of the signal that ended training, or is about to; None where all episodes are done."""
        return self.signals.received if self.state.episode < self.config.run.N_episodes else None

    @property
    def stopping(self) -> bool:
        """Whether a signal has come; of several processes, whether all know that one of them has had a signal."""
        return self.gradient.agreed if self.comm.size > 1 else self.signals.received is not None

    def _broadcast_network(self) -> None:
        """All processes start from the parameters and buffers of rank 0, whatever `post_init` did to them on each."""
        if self.comm.size > 1:
            for tensor in (*self.model.network.parameters(), *self.model.network.buffers()):
                received = tensor.detach().contiguous()
                self.comm.broadcast_(received)
                tensor.detach().copy_(received)

    # -- the loop -------------------------------------------------------------------------------------------------

    def episode(self) -> Record:
        """Simulates one episode and takes its gradient steps; the numbers of the episode."""
        state, config = self.state, self.config
        began, self._steps_before = time.perf_counter(), state.step
        network = self.model.network
        self.model.set_episode(state.episode)
        if self._phase_of_step != (state.phase, state.phase_began):
            self.step_of_phase = self._make_step()
        now = curriculum.in_episode(self.phase, state.episode + 1)
        self.gradient.attach()
        with self._shocks.of_size(curriculum.shock_size(config.run, state.episode + 1)):
            simulated = simulate.Episode(
                self.simulated_step, state.starting_state, now.pieces, network, state.rng, config.run.episodes_overlap
            )
            network.train()
            epochs = self._epochs(simulated, now)
            network.eval()
            simulated.close()
        wrong = diagnose.wrong_probabilities_of_all(
            self.model, simulated.some(self.config.run.N_minibatch_size), self.comm
        )
        if wrong:
            raise shared(ModelError(wrong))
        state.replay.after_episode(simulated.held, state.rng)
        start = self.model.initial_states(config.run.N_sim_batch) if config.redraw else simulated.end
        if not config.redraw:
            start = self.model.with_new_pseudo_states(start)
        state.starting_state.copy_(start)
        state.episode += 1
        if state.episode in config.net.refit_inputs_at:
            refit_inputs(network, state.optimizer, simulated.held.flatten(0, 1), self.comm)
        self.model.set_episode(state.episode)
        numbers = self._record(epochs, began)
        state.after_episode(numbers.epochs[-1][0])
        self._end_phase(numbers)
        return numbers

    def _epochs(self, simulated: simulate.Episode, now: Config) -> list[tuple[int, Tensor]]:
        """Passes over the states; of each its steps, and the sums over them of loss, net loss, deviations and penalties."""
        run, state, left = now.run, self.state, now.steps_per_episode
        epochs: list[tuple[int, Tensor]] = []
        while left > 0:
            sums, steps = state.starting_state.new_zeros(()), 0
            for i, states in enumerate(simulated):
                if not epochs and i == 0:
                    self.step_of_phase.begin(states)
                for batch in simulate.minibatches(states, run.N_minibatch_size, run.sorted_within_batch, state.rng):
                    if steps == left:
                        break
                    self._last = terms = self.step(self._mixed(batch))
                    sums = sums + torch.stack([scalar.detach() for scalar in record.scalars(terms).values()])
                    steps += 1
                    if self.stopping:
                        raise Interrupted
                try:
                    self.step_of_phase.end(states)
                except BadStep as bad:
                    self._stop_not_finite(bad)
            epochs.append((steps, sums))
            left -= steps
        return epochs

    def _mixed(self, batch: Tensor) -> Tensor:
        """A minibatch `[size, n_states]` of which stated shares are drawn from the initial states, or of earlier episodes."""
        n, rng = round(self.config.run.box_share * len(batch)), self.state.rng
        if n:
            size, rng.shock_size = rng.shock_size, 1.0  # the box is no shock
            batch = torch.cat([self.model.initial_states(n), batch[n:]])
            rng.shock_size = size
        return self.state.replay.mix(batch, rng)

    def step(self, states: Tensor) -> loss.LossTerms:
        """One step on a minibatch `[batch, n_states]`, by the optimizer of the phase."""
        try:
            terms = self.step_of_phase(states)
        except BadStep as bad:
            self._stop_not_finite(bad)
        self.state.after_step()
        weights = self.state.weights
        if weights is not None and weights.in_steps:
            losses = torch.stack([part.detach() for part in terms.parts.values()])
            self.comm.mean_(losses)
            weights.after_step(losses, self.state.step)
        return terms

    def _record(self, epochs: list[tuple[int, Tensor]], began: float) -> Record:
        """The episode's numbers, brought from the device at once."""
        rows = torch.stack([sums for _, sums in epochs])
        self.gradient.average_of_episode(rows, self.model.network)
        steps, size = [n for n, _ in epochs], self.phase.run.N_minibatch_size
        numbers = torch.cat([rows, rows.sum(0, keepdim=True)]).tolist()
        terms = self._last
        means = {name: x / (sum(steps) * size) for name, x in zip(record.scalars(terms), numbers[-1], strict=True)}
        means |= record.shares(means, terms)
        if self.state.weights is not None:
            self.state.weights.after_episode([means[f"part_{name}"] for name in terms.parts])
        return Record(
            episode=self.state.episode,
            step=self.state.step,
            epochs=[(row[0] / (n * size), row[1] / (n * size)) for n, row in zip(steps, numbers[:-1], strict=True)],
            scalars=means,
            residuals=terms.residuals,
            learning_rate=float(self.state.optimizer.param_groups[0]["lr"]),
            n_steps=sum(steps),
            seconds=time.perf_counter() - began,
        )

    # -- phases -----------------------------------------------------------------------------------------------

    def _end_phase(self, numbers: Record) -> None:
        """Goes on to the next phase where this one has had its episodes, or its loss is small enough."""
        state, phases = self.state, self.config.optimizer.phases
        if state.phase + 1 >= len(phases):
            return
        phase, loss_now = phases[state.phase], numbers.epochs[-1][0]
        over = phase.N_episodes is not None and state.episode - state.phase_began >= phase.N_episodes
        if over or (phase.until_loss is not None and loss_now < phase.until_loss):
            state.enter(state.phase + 1)
            self._say(
                f"from episode {state.episode + 1}: {phases[state.phase].optimizer}, phase {state.phase + 1} of {len(phases)} "
                f"(loss {loss_now:.1e})."
            )

    # -- what can go wrong ----------------------------------------------------------------------------------------

    def _stop_not_finite(self, bad: BadStep) -> NoReturn:
        minibatch = self.state.step - self._steps_before + 1
        on_device = isinstance(self.step_of_phase, FirstOrder) and self.step_of_phase.on_device
        step = "" if on_device else f", step {minibatch}"  # the device has skipped it, and the next ones
        reason = diagnose.explain_of_all(self.model, bad.states, self.comm, bad.found)
        raise shared(TrainingError(f"not a finite number in episode {self.state.episode + 1}{step}: {reason}"))

    def _say(self, text: str) -> None:
        if self.watcher is not None:
            self.watcher.message(text)

    def _finite_payload(self) -> dict[str, Any]:
        """The payload after an episode; its last gradient step or last simulated period may have left no finite number."""
        payload = self.saver.payload()
        bad = checkpoint.not_finite(payload)
        anywhere = torch.tensor(float(bool(bad)), device="cpu")
        self.comm.sum_(anywhere)
        if anywhere:
            found = self.comm.gather(bad)
            bad = self.comm.first(lambda: next(name for name in found if name))
            reason = diagnose.explain_of_all(self.model, self.state.starting_state, self.comm)
            raise shared(TrainingError(f"{bad} is not finite at the end of episode {self.state.episode}: {reason}"))
        return payload
