"""Typed, frozen schema of the configuration: every key with its type, default and meaning.

The keys are those of the TensorFlow DEQN library of Scheidegger and co-authors; keys of our own are marked "(new)" in their
description.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from deqn.configuration.fields import Group, Number, PositiveFloat, PositiveInt, Rate, Share
from deqn.configuration.loss_schema import Loss
from deqn.configuration.net_schema import Net


class Bounds(Group):
    """Hard bounds; crossing them is penalised by `penalty * (raw - bounded)**2`."""

    lower: Number | str | list[Any] | None = Field(
        None,
        description="lower bound: a number; (new) a list for a variable with a shape, or the name of a constant, also of "
        "Calibration.py",
    )
    upper: Number | str | list[Any] | None = Field(None, description="upper bound: the same kinds")
    penalty_lower: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="weight of the penalty below `lower`; default 1 / lower**2"
    )
    penalty_upper: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="weight of the penalty above `upper`; default 1 / upper**2"
    )


class Init(Group):
    """Distribution of a state at the start."""

    distribution: str = Field(description="normal, uniform, truncated_normal; constant, choice (new)")
    kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="its arguments: mean, stddev; minval, maxval; value; values, probs. A text is the name of a constant (new)",
    )


class Variable(Group):
    name: str = Field(description="name of the variable; the accessor in the model's files")
    about: str = Field(
        "", description="(new) what it is, for reports and figures; its unit stands at the end: `capital [goods]`"
    )
    shape: list[PositiveInt] = Field(
        default_factory=list, description="(new) shape of a histogram or a policy on a grid; empty for a number"
    )
    bounds: Bounds = Field(default_factory=lambda: Bounds(), description="hard bounds and penalties")


class StateVariable(Variable):
    init: Init | None = Field(None, description="distribution at the start; 1 in every place without it")
    pseudo_state: bool = Field(
        False,
        description="(new) a parameter that is a state: drawn anew for each episode, by `run.pseudo_design`, and constant in it",
    )


class PolicyVariable(Variable):
    activation: str | None = Field(
        None,
        description="function of the network's output for this policy: `tf.nn.relu`-style or PyTorch name, dotted path "
        "of a function, `Activations.<f>` (of the model's own Activations.py), `implied` (a sigmoid between both bounds), or "
        "`relative` (around * exp(scale * output))",
    )
    around: Number | str | list[Any] | None = Field(
        None,
        description="(new) the value that network output zero gives, near which training starts: a number, a list for a policy "
        "with a shape, or the name of a constant, also of Calibration.py",
    )
    scale: Number | str | list[Any] | None = Field(
        None,
        description="(new) by how much network output one moves the policy near that value, as a share of it for activation "
        "`relative`; the same kinds",
    )


class DefinitionVariable(Variable):
    pass


class Variables(Group):
    """`config/variables/*.yaml`: the names of the model."""

    states: list[StateVariable] = Field(min_length=1, description="states, in the order of the columns")
    policies: list[PolicyVariable] = Field(min_length=1, description="policies, in the order of the network's outputs")
    definitions: list[DefinitionVariable] = Field(default_factory=list, description="functions of Definitions.py")


class Step(Group):
    """An optimizer, and the states that it takes a step on."""

    optimizer: str = Field("Adam", description="a Keras name (Keras' defaults) or a name in torch.optim")
    learning_rate: PositiveFloat = Field(0.001, description="learning rate at the start")
    scale_learning_rate: bool = Field(
        True, description="(new) with several processes, learning rate times their number"
    )
    clipvalue: PositiveFloat | None = Field(None, description="each gradient entry is cut to [-clipvalue, clipvalue]")
    clipnorm: PositiveFloat | None = Field(
        None, description="(new) the gradient of each parameter is scaled down to this norm, as in Keras"
    )
    global_clipnorm: PositiveFloat | None = Field(
        None, description="(new) the gradient of all parameters together is scaled down to this norm"
    )
    optimizer_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="(new) more arguments: beta_1, epsilon, ... or PyTorch's names"
    )
    learning_rate_schedule: str | None = Field(
        None,
        description="(new) a Keras schedule (CosineDecay, ExponentialDecay, ...) or one of torch.optim.lr_scheduler",
    )
    schedule_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="(new) its arguments, in gradient steps; decay_steps defaults to the whole run, or phase",
    )
    N_minibatch_size: PositiveInt | None = Field(None, description="(new) states of a step; null: run.N_minibatch_size")
    N_steps_per_episode: PositiveInt | None = Field(
        None, description="(new) at most so many steps on the states of an episode; null: as many as its epochs have"
    )
    N_steps_per_expectation: PositiveInt | None = Field(
        None,
        description="(new) gradient steps on each minibatch with its expectations held: a fixed-point iteration; null: one step, "
        "and the gradient goes through expectations",
    )


class Phase(Step):
    N_episodes: PositiveInt | None = Field(None, description="(new) the phase ends after so many episodes")
    until_loss: PositiveFloat | None = Field(
        None, description="(new) the phase ends after the first episode whose loss, a mean per state, is below"
    )


class Optimizer(Step):
    """`config/optimizer/*.yaml`: the optimizer."""

    phases: list[Phase] = Field(
        default_factory=list, description="(new) optimizers one after the other, in place of the keys above"
    )


class Accuracy(Group):
    """How accurate the network is on a fixed set of fresh states, while it is trained."""

    every: PositiveInt | None = Field(
        None, description="(new) episodes from one measurement to the next; null: nothing is measured"
    )
    N_states: PositiveInt = Field(1000, description="(new) states on which it is measured")
    N_periods: PositiveInt = Field(
        200, description="(new) periods over which they are spread; not where each episode draws its states anew"
    )
    patience: PositiveInt | None = Field(
        None, description="(new) training ends after so many measurements without a gain; null: it does not end earlier"
    )
    min_gain: Rate = Field(0.01, description="(new) what counts as a gain: by this share smaller than the best before")


class Run(Group):
    """`config/run/*.yaml`: how the model is simulated and trained."""

    N_sim_batch: PositiveInt = Field(description="trajectories simulated in parallel")
    N_episode_length: PositiveInt = Field(description="periods of an episode")
    N_episode_length_min: PositiveInt | None = Field(
        None, description="(new) periods of the first episode, which grow to N_episode_length; null: all are as long"
    )
    N_increment_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="(new) periods by which an episode is longer than the one before"
    )
    curriculum_breakpoints: list[PositiveInt] = Field(
        default_factory=list, description="(new) lengths at which the next of `curriculum_steps` begins"
    )
    curriculum_steps: list[PositiveInt] = Field(
        default_factory=list, description="(new) periods by which episodes grow up to each breakpoint"
    )
    shock_size_start: Rate = Field(
        1 / 8, description="(new) size of the shocks in the first episode, as a share of their own"
    )
    N_episodes_of_small_shocks: PositiveInt | None = Field(
        None, description="(new) episodes in which shocks grow to their own size; null: they have it from the start"
    )
    pseudo_design: Literal["independent", "latin_hypercube", "halton"] = Field(
        "independent", description="(new) how the pseudo-states of all trajectories are drawn together"
    )
    pseudo_edge_share: Share = Field(
        0.0, description="(new) share of the trajectories of which one pseudo-state lies at an end of its distribution"
    )
    pseudo_edge_width: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.02, description="(new) probability of what counts as an end"
    )
    box_share: Rate = Field(
        0.0,
        description="(new) share of each minibatch that are states drawn from their `init`; the others are simulated",
    )
    replay_share: Rate = Field(0.0, description="(new) share of each minibatch that are states of earlier episodes")
    replay_episodes: PositiveInt = Field(
        10, description="(new) of how many episodes states are kept, as many of each as a minibatch has"
    )
    N_epochs_per_episode: PositiveInt = Field(1, description="passes over the states of an episode")
    N_minibatch_size: PositiveInt = Field(description="states of a gradient step")
    N_episodes: PositiveInt = Field(description="episodes in all; a resumed run ends there")
    sorted_within_batch: bool = Field(False, description="minibatches are contiguous pieces of trajectories")
    N_states_held: PositiveInt | None = Field(
        None,
        description="(new) an episode with more states is simulated in pieces of at most so many, which are held one after the "
        "other; every epoch simulates them anew. null: the whole episode is held",
    )
    episodes_overlap: bool = Field(
        False,
        description="(new) the last state of an episode is the first of the next, which so takes one step less, as in the "
        "TensorFlow library; `--from` sets it",
    )
    hook_counts_from: Literal[0, 1] = Field(
        1,
        description="(new) `i` of the first `cycle_hook(state, i)`: 1; 0 as in the TensorFlow library, which `--from` sets",
    )
    expectation_type: Literal[
        "product", "monomial", "gauss-hermite", "gauss_hermite", "pseudo_random", "antithetic", "quasi_random"
    ] = Field(
        "product",
        description="quadrature on the nodes of Dynamics.py, which may ask for this name, or draws: independent ones, pairs with "
        "opposite signs (new), or a shifted Sobol sequence (new)",
    )
    expectation_pseudo_draws: PositiveInt = Field(5, description="number of draws")
    n_quad_pts: PositiveInt = Field(
        3, description="(new) nodes of each shock, for a Dynamics.py that reads `Parameters.n_quad_pts`"
    )
    keras_precision: Literal["float32", "float64"] = Field("float32", description="floating type, from end to end")
    compile: bool = Field(False, description="(new) torch.compile for the loss and the simulated period")
    products: Literal["auto", "plain", "turned", "onednn"] = Field(
        "auto",
        description="(new) matrix products of large layers on a CPU: `plain` as PyTorch takes them, `turned` with the weights of "
        "thin layers laid out anew, `onednn` also by oneDNN; `auto`: by the processor. They differ by rounding",
    )
    threads: PositiveInt = Field(1, le=1024, description="(new) CPU threads; small networks are fastest with one")
    accuracy: Accuracy = Field(
        default_factory=Accuracy, description="(new) accuracy on fresh states while training; see below"
    )
    loss: Loss = Field(default_factory=Loss, description="(new) what is made of the residuals; see below")


class About(Group):
    """What `deqn list` and `deqn info` say of a model; changes nothing in a run."""

    title: str = Field("", description="the economy in one line")
    known_answer: str = Field(
        "", description="what a solution can be held against that does not come from its residuals"
    )
    minutes: PositiveFloat | None = Field(None, description="that the default run takes on two cores")
    constants: dict[str, str] = Field(
        default_factory=dict,
        description="what each constant is, its unit at the end; `about:` of a file in config/constants is put here",
    )


class Config(Group):
    """`config/config.yaml` and its groups."""

    constants: dict[str, Any] = Field(description="constants of the model: `Parameters.<name>` (config/constants)")
    net: Net = Field(description="the network (config/net)")
    optimizer: Optimizer = Field(description="the optimizer (config/optimizer)")
    run: Run = Field(description="simulation and training (config/run)")
    variables: Variables = Field(description="states, policies, definitions (config/variables)")
    MODEL_NAME: str = Field(description="folder of the model")
    about: About | None = Field(None, description="(new) what `deqn list` says of it (config/model)")
    MODELS_DIR: str | None = Field(
        None, description="(new) a folder of your own with model folders; the shipped models stay available"
    )
    written_for: Literal["deqn", "tensorflow"] = Field(
        "deqn",
        description="(new) `tensorflow`, which `--from` sets: MODELS_DIR is a folder of the TensorFlow library, and what that "
        "library passes over is a note",
    )
    seed: Annotated[int, Field(ge=0, lt=2**62)] = Field(0, description="seed of every generator and of the network")
    STARTING_POINT: str = Field("NEW", description="NEW, LATEST, or the name of a checkpoint")
    CHECKPOINT_INTERVAL: PositiveInt = Field(1, description="episodes between checkpoints")
    MAX_TO_KEEP_NUMBER: PositiveInt = Field(10, description="newest checkpoints kept")
    stationary: bool = Field(
        True,
        description="(new) whether the economy settles; the verdict on one that does not looks at the periods of an episode, and "
        "at no drift and no steady state",
    )
    initialize_each_episode: bool | None = Field(
        None, description="draw the states anew for each episode; null: only when an episode is one period long"
    )
    error_filename: str = Field("error_file.txt", description="file in the run folder with the errors of each epoch")
    enable_check_numerics: bool = Field(False, description="name the operation that makes a number not finite (slow)")
    strict: bool = Field(
        False, description="(new) `--strict`: exit status 6 where the run is not judged to have solved its model"
    )
    tracker: str = Field(
        "",
        description="(new) a class of your own that is told of each episode, `my_module.MyTracker` (docs/howto/trackers.md)",
    )
    device: str = Field("auto", description="(new) auto, cpu, cuda or cuda:<n>")
    on_nonfinite: Literal["stop", "rollback"] = Field(
        "stop",
        description="(new) when a number is not finite: stop, or go back to the last good episode and on with a smaller "
        "learning rate",
    )
    rollback_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="(new) the learning rate is multiplied by it at each rollback"
    )
    rollback_limit: PositiveInt = Field(10, description="(new) rollbacks of a run, after which it stops")
    N_simulated_batch_size: PositiveInt | None = Field(None, description="trajectories of post_process.py")
    N_simulated_episode_length: PositiveInt | None = Field(None, description="periods of post_process.py")
    DISABLE_SHOCKS: bool = Field(False, description="(new) Globals.DISABLE_SHOCKS of post_process.py")

    @property
    def n_phases(self) -> int:
        return max(1, len(self.optimizer.phases))

    def first_episode(self, i: int) -> int:
        """Episodes before the i-th phase, as far as they are known."""
        return sum(phase.N_episodes or 0 for phase in self.optimizer.phases[:i])

    def in_phase(self, i: int) -> Config:
        """What holds in the i-th phase of training: the optimizer without phases, its states a step, its episodes at most."""
        phases = self.optimizer.phases
        step = phases[i] if phases else self.optimizer
        optimizer = Optimizer(**{name: getattr(step, name) for name in Step.model_fields})
        earlier = self.first_episode(i)
        own = getattr(step, "N_episodes", None)
        run = self.run.model_copy(
            update={
                "N_minibatch_size": step.N_minibatch_size or self.run.N_minibatch_size,
                "N_episodes": own or max(1, self.run.N_episodes - earlier),
            }
        )
        return self.model_copy(update={"optimizer": optimizer, "run": run})

    @property
    def redraw(self) -> bool:
        """Whether each episode starts from new initial states."""
        if self.initialize_each_episode is None:
            return self.run.N_episode_length == 1
        return self.initialize_each_episode

    @property
    def states_per_episode(self) -> int:
        return self.run.N_sim_batch * self.run.N_episode_length

    @property
    def pieces(self) -> list[int]:
        """Periods of the pieces of an episode that are held one after the other; one piece unless `N_states_held` is smaller."""
        run = self.run
        if run.N_states_held is None or run.N_states_held >= self.states_per_episode:
            return [run.N_episode_length]
        periods = run.N_states_held // run.N_sim_batch
        even = run.N_minibatch_size // math.gcd(
            run.N_minibatch_size, run.N_sim_batch
        )  # periods that leave no states over
        if periods >= even:
            periods -= periods % even
        whole, rest = divmod(run.N_episode_length, periods)
        return [periods] * whole + [rest] * (rest > 0)

    @property
    def steps_per_epoch(self) -> int:
        return sum(periods * self.run.N_sim_batch // self.run.N_minibatch_size for periods in self.pieces)

    @property
    def steps_per_episode(self) -> int:
        steps = self.run.N_epochs_per_episode * self.steps_per_epoch
        return min(steps, self.optimizer.N_steps_per_episode or steps)


def reserved_names() -> set[str]:
    """Names that a variable cannot have: State.<name> is something else."""
    return {"update", "update_dict", "E_t_gen", "monomial_rule", "gauss_hermite"}
