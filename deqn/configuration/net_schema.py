"""`net` of the configuration: the layers of the network, and what it sees of the economy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from deqn.configuration.fields import Group, Number, PositiveFloat, PositiveInt, Rate


class HiddenLayer(Group):
    units: PositiveInt = Field(description="width")
    type: Literal["dense"] = Field("dense", description="kind of layer")
    activation: str = Field(
        "linear",
        description="Keras, TensorFlow or PyTorch name, dotted path of a function, or `Activations.<f>` of the model's folder",
    )
    init_scale: PositiveFloat = Field(1.0, description="scale of Keras' VarianceScaling")
    skip: bool = Field(
        False, description="(new) what enters the layer is added to what leaves it; both have the same width"
    )
    dropout_rate: Rate | None = Field(None, description="dropout before this layer, active in gradient steps only")
    batch_normalize: dict[str, Any] | None = Field(
        None, description="batch normalisation before this layer: momentum, epsilon, center, scale, in Keras' meaning"
    )


class OutputLayer(Group):
    units: PositiveInt | None = Field(None, description="ignored: one output a policy entry")
    type: Literal["dense"] = Field("dense", description="kind of layer")
    activation: str = Field("linear", description="activation of all outputs, before the policies' own")
    init_scale: PositiveFloat = Field(1.0, description="scale of Keras' VarianceScaling")
    dropout_rate: Rate | None = Field(None, description="dropout before this layer, active in gradient steps only")
    batch_normalize: dict[str, Any] | None = Field(None, description="batch normalisation before this layer")


class Layer(Group):
    hidden: HiddenLayer | None = Field(None, description="a hidden layer")
    output: OutputLayer | None = Field(None, description="the last layer")


class Aggregate(Group):
    """Of the state, what a network of `type` anchored or individual sees: (x - around) / scale, or log(x / around) / scale."""

    log: bool = Field(False, description="(new) whether it is the logarithm that counts")
    around: Number | str | None = Field(
        None, description="(new) its usual value: a number or the name of a constant; 0, or 1 with `log`"
    )
    scale: Number | str = Field(1.0, description="(new) how far it usually is from there; the same kinds")


class Distribution(Group):
    """The histogram of households, and what a network sees of it beside its aggregates."""

    state: str = Field("distribution", description="(new) the state that holds it, of shape [nE, nA] or [nE, nB, nA]")
    grids: list[str] = Field(default_factory=lambda: ["a_grid"], description="(new) constants with its nodes of assets")
    around: str = Field("D_ss", description="(new) the constant with a usual one, where what is seen is zero")
    sees: Literal["nothing", "moments", "learned", "histogram"] = Field(
        "nothing",
        description="(new) beside the aggregates: nothing, moments of wealth, learned functions' means, or the whole histogram",
    )
    scale: Number | str = Field(1.0, description="(new) how far what is seen usually is from zero, a number or a name")
    n_moments: PositiveInt = Field(4, description="(new) how many functions are learned")
    moment_units: PositiveInt = Field(16, description="(new) hidden units of their network")


class Net(Group):
    """`config/net/*.yaml`: the network."""

    type: Literal["dense", "anchored", "individual"] = Field(
        "dense",
        description="(new) `dense`: the layers below, of all states; `anchored`: of `aggregates` and `distribution`, zero at the "
        "start; `individual`: the same as one function of an agent's own state for all nodes of the distribution",
    )
    aggregates: dict[str, Aggregate] = Field(
        default_factory=dict,
        description="(new) numbers of the whole economy that `anchored` and `individual` see: states and definitions by name",
    )
    distribution: Distribution | None = Field(None, description="(new) of agents, for `anchored` and `individual`")
    layers: list[Layer] = Field(min_length=1, description="`hidden` layers, then one `output` layer")
    net_initializer_mode: Literal["fan_in", "fan_out", "fan_avg"] = Field(
        "fan_in", description="mode of Keras' VarianceScaling"
    )
    net_initializer_distribution: Literal["truncated_normal", "untruncated_normal", "normal", "uniform"] = Field(
        "truncated_normal", description="distribution of Keras' VarianceScaling (`normal` is truncated, as in Keras)"
    )
    normalize_inputs: bool = Field(
        False, description="(new) states minus mean over standard deviation of the initial states"
    )
    refit_inputs_at: list[PositiveInt] = Field(
        default_factory=list,
        description="(new) episodes after which `normalize_inputs` takes mean and standard deviation anew, from the states of "
        "the episode; the policies stay as they are at that moment",
    )
    log_inputs: list[str] = Field(
        default_factory=list,
        description="(new) names of states of which the network sees the logarithm, taken within the state's bounds",
    )
    warm_start: Literal["none", "guess", "steady_state", "linear", "run"] = Field(
        "none",
        description="(new) what the network is fitted to first: nothing, guess(state) of the model's Guess.py, the policy of the "
        "steady state without shocks, or the linear solution around it; `run`: it begins as the network of another run",
    )
    warm_start_from: str = Field(
        "",
        description="(new) the run folder for `warm_start: run`, seen from where the command is typed, or a full path",
    )
    inputs: list[str] = Field(
        default_factory=list, description="(new) names of the states that the network sees; empty: all"
    )
    unit_variance: bool = Field(
        False, description="(new) layers begin orthogonal and with outputs of variance one over initial states"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="(new) options of a model's own Net.py")
