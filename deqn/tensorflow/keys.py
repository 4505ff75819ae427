"""Keys of the TensorFlow library's versions that this one lacks: what each did there, and what becomes of it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        there: what it did in the TensorFlow library, as the end of a sentence: 'chose the loss'.
        fate: `ignored` where nothing here depends on it, `handed` to the model's files as `Parameters.<name>`, `taken` as a key
            of this library, or `refused`.
        here: why it is ignored, which key it is here, or what to do instead.
        off: values with which it did nothing.
        of: the key that switches it on; with that one off, it did nothing.
    """

    there: str
    fate: Literal["ignored", "handed", "taken", "refused"]
    here: str = ""
    off: tuple[Any, ...] = (None,)
    of: str = ""


_FOC, _IFT, _REWEIGHTING = "use_foc_derivative_loss", "use_ift_tangent_loss", "use_loss_reweighting"
_NO = (False, None)
_SOBOLEV = "Leave it out; run.loss.kind=sobolev adds the derivatives with respect to all states."

# of config.yaml, and of config/run/*.yaml
RUN: dict[str, Key] = {
    "ENABLE_TB": Key("switched TensorBoard on", "ignored", "TensorBoard is always written"),
    "VERBOSE": Key("said how much is printed", "ignored", "the terminal shows a line of progress"),
    "reload_optimizer": Key("brought the optimizer's moments back at a restart", "ignored", "a restart always does"),
    "use_flex_checkpoint": Key("chose another format of checkpoints", "ignored", "there is one format"),
    "use_new_shuffling": Key("shuffled states before they are cut into minibatches", "ignored", "they always are"),
    "print_weights_every_n_episodes": Key("printed the weights of the equations", "ignored", "TensorBoard shows them"),
    "theta_hist_every_n_episodes": Key("drew pseudo-states", "ignored", "TensorBoard has histograms of all states"),
    "loss_choice": Key("chose the loss", "taken", "run.loss.kind", off=("mse", None)),
    "deriv_order": Key(
        "set the order of the derivatives in the Sobolev loss",
        "refused",
        "Leave it out; run.loss.kind=sobolev takes the first.",
        off=(1, None),
    ),
    _REWEIGHTING: Key("weighed the equations by their losses", "taken", "run.loss.reweighting", off=_NO),
    "reweighting_scheme": Key("said how the equations are weighed", "taken", "run.loss.reweighting", of=_REWEIGHTING),
    "use_weight_adjustment": Key("rescaled each layer to unit variance first", "taken", "net.unit_variance", off=_NO),
    "N_episode_length_min": Key("was the length of the first episodes", "taken", "run.N_episode_length_min"),
    "N_increment_steps": Key("was the growth of the episodes in periods", "taken", "run.N_increment_steps", off=(0, None)),
    "curriculum_breakpoints": Key("listed lengths at which the growth changes", "taken", "run.curriculum_breakpoints"),
    "curriculum_steps": Key("listed the growth up to each of them", "taken", "run.curriculum_steps"),
    _FOC: Key("penalised derivatives of the residuals by the sensitivity_parameters", "refused", _SOBOLEV, off=_NO),
    _IFT: Key("penalised the residuals' change along the tangent of the policy", "refused", _SOBOLEV, off=_NO),
    "bounds_compensate_no_eq": Key(
        "multiplied the penalties of bounds by the number of equations",
        "refused",
        "Leave it out, and give bounds.penalty_lower and bounds.penalty_upper that much larger.",
        off=_NO,
    ),
    "n_quad_pts": Key("was the number of quadrature nodes", "taken", "run.n_quad_pts"),
    "exp_samples": Key("was the number of samples of an expectation", "handed"),
    "quad_order_f": Key("was the number of quadrature nodes of a shock", "handed"),
    "quad_order_T": Key("was the number of quadrature nodes of a shock", "handed"),
    **{
        name: Key("was a setting of that loss of derivatives", "refused", "Leave it out.", of=_FOC)
        for name in (
            "foc_derivative_lambda", "sensitivity_parameters", "foc_derivative_gate_tau", "foc_derivative_gate_kappa",
            "foc_derivative_gate_mode", "deriv_compensate_no_eq", "lambda_scheduler",
        )
    },
    **{
        name: Key("was a setting of that loss of derivatives", "refused", "Leave it out.", of=_IFT)
        for name in (
            "ift_tangent_lambda", "ift_num_v_probes", "ift_num_theta_dirs", "ift_gate_mode", "ift_gate_tau", "ift_gate_kappa",
            "ift_lambda_scheduler", "ift_aggregate_probes", "ift_compact_mode",
        )
    },
    **{
        name: Key("told a Dynamics.py how to draw pseudo-states", "handed")
        for name in (
            "theta_sampling_mode", "theta_lhs_frac", "theta_halton_frac", "theta_edges_frac", "theta_use_antithetic",
            "theta_edge_eps", "theta_always_fullrange_frac", "theta_adaptive_edges", "theta_adaptive_target_centrality",
            "theta_adaptive_eta", "taux_stratify", "taux_strata", "taux_min_init", "taux_max_init",
        )
    },
}  # fmt: skip

# of config/optimizer/*.yaml
OPTIMIZER: dict[str, Key] = {
    "lr_scheduler": Key("was a learning-rate schedule", "taken", "optimizer.learning_rate_schedule"),
    "lr_scheduler_kwargs": Key("were its arguments", "taken", "optimizer.schedule_kwargs", of="lr_scheduler"),
    "amsgrad": Key("was an argument of Adam", "taken", "optimizer.optimizer_kwargs.amsgrad", off=_NO),
}


def key_of(group: str, name: str) -> Key | None:
    """The entry of a key in a group, '' being config.yaml itself; None where there is none."""
    return OPTIMIZER.get(name) if group == "optimizer" else RUN.get(name) if group in ("", "run") else None


def refusal(path: tuple[Any, ...], exists: Callable[[str], bool]) -> str:
    """' In the TensorFlow library it chose the loss. Write run.loss.kind.' for such a key, '' for another one.

    Args:
        path: where it stands in the configuration.
        exists: whether this library has a key, given as `run.loss.kind`.
    """
    group, name = map(str, ("", *path)[-2:])
    key = key_of(group, name) if len(path) < 3 else None
    if key is None:
        return ""
    here = {
        "taken": f"Write {key.here}." if exists(key.here) else "There is nothing like it here: leave it out.",
        "handed": f"For a model file that reads Parameters.{name}, write it under constants.",
        "ignored": f"Leave it out: {key.here}.",
        "refused": key.here,
    }[key.fate]
    return f" In the TensorFlow library it {key.there}. {here}"


def is_off(key: Key, value: Any, tree: Mapping[str, Any]) -> bool:
    """Whether a key with this value did nothing there.

    Args:
        tree: where its switch is looked for.
    """
    switch = key_of("", key.of) or key_of("optimizer", key.of)
    if switch is not None:
        return tree.get(key.of) in switch.off
    return not isinstance(value, list | dict) and value in key.off
