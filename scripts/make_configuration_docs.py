"""Writes docs/reference/configuration.md from deqn/configuration/schema.py.

python scripts/make_configuration_docs.py            writes the file
python scripts/make_configuration_docs.py --print    prints it
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deqn.configuration import activations, distributions, net_schema, optimizers, schedules, schema  # noqa: E402
from deqn.numerics.rng import Rng  # noqa: E402

TARGET = ROOT / "docs" / "reference" / "configuration.md"
GROUPS = {"constants", "net", "optimizer", "run", "variables"}

INTRODUCTION = """\
# Configuration

Made by `python scripts/make_configuration_docs.py` from `deqn/configuration/schema.py`; a test keeps it current. To change it,
edit those two.

A configuration is one tree: the keys of `config/config.yaml` and five groups, each of which is one file
`config/<group>/<name>.yaml`. `model=<name>` chooses the file `<name>.yaml` in all five and sets `MODEL_NAME`; `net=<name>`,
`run=<name>`, ... choose a single one and win over `model=`. `key=value` and `group.key=value` on the command line win over the
files.

Keys marked **new** do not exist in the TensorFlow library. A default of "required" means that the file must set the key. A key
that is not listed here is refused, and so is a value of another type: `3.7` is not rounded where an integer is expected.
"""

HYDRA = """\
## Hydra's own keys and the environment

| key | default | meaning |
|---|---|---|
| `hydra.run.dir` | `runs/${MODEL_NAME}/<date>/<time>` | run folder |
| `hydra.sweep.dir` | `multirun/<date>/<time>` | folder of the runs of a sweep (`-m`) |
| `hydra.searchpath` | set by `--config-dir` | folders that add YAML files to the groups |

| option | meaning |
|---|---|
| `--check` | validate, link and try the model; train and write nothing (`run_deepnet.py` only) |
| `--from DIR` | DIR is a folder of the TensorFlow library, as it is: see [there](../howto/from_tensorflow.md) |
| `--config-dir DIR` | DIR adds YAML files to the groups: `DIR/model/<name>.yaml`, `DIR/net/<name>.yaml`, ... |
| `-m` | one run for each combination of comma-separated values |
| `--cfg job` | print the composed configuration |

All options of all commands: [command line](command_line.md).

| environment variable | meaning |
|---|---|
| `USE_CONFIG_FROM_RUN_DIR` | take the merged configuration of this run folder instead of `config/` |
| `HYDRA_FULL_ERROR` | `1`: a traceback with every error |
| `DEQN_CACHE_DIR` | folder for what `run.compile` has compiled; otherwise `deqn` in the user's cache folder |
"""


def main() -> None:
    if "--print" in sys.argv[1:]:
        print(text(), end="")
    else:
        TARGET.write_text(text(), encoding="utf-8")


def text() -> str:
    """The whole page."""
    s = schema
    parts = [
        INTRODUCTION,
        "## Top level (`config/config.yaml`)\n",
        table(s.Config, skip=GROUPS),
        "`about` (in `config/model/<name>.yaml`; changes nothing in a run):\n",
        table(s.About),
        "## constants (`config/constants/<name>.yaml`)\n",
        "Names and values of the model's choice, read as `Parameters.<name>`. Both forms are accepted: `alpha: 0.36`, and "
        "`constants: {alpha: 0.36}` as in the TensorFlow library. `constants.alpha=0.4` on the command line changes "
        "either, and `+constants.x=2` adds one that the file does not have. A list of numbers, or of lists of them, is a "
        "tensor in the model's files (a list in folders of the TensorFlow library, as there). Derived constants "
        "belong to the model's Calibration.py, which may also replace a constant.\n",
        "`about: {alpha: capital share, beta: 'discount factor [1/year]'}` in such a file says what constants are, with the unit "
        "in brackets at the end (**new**). `deqn info` and the report of a run show it.\n",
        "## variables (`config/variables/<name>.yaml`)\n",
        table(s.Variables),
        "Every state, policy and definition has:\n",
        table(s.Variable),
        "A state also has:\n",
        table(s.StateVariable, skip=s.Variable.model_fields),
        "A policy also has:\n",
        table(s.PolicyVariable, skip=s.Variable.model_fields),
        "`bounds`:\n",
        table(s.Bounds),
        "A bound of 0 on a policy or a definition needs an explicit penalty, since 1/0² is infinite. A penalty of 0 keeps the "
        "cut and drops the penalty. The bound of a state has no penalty: states are data of a gradient step.\n",
        "`init`:\n",
        table(s.Init),
        distributions_text(),
        "## net (`config/net/<name>.yaml`)\n",
        table(net_schema.Net),
        "An entry of `aggregates`:\n",
        table(net_schema.Aggregate),
        "`distribution` ([heterogeneous agents](../tutorials/households.md)):\n",
        table(net_schema.Distribution),
        "`hidden:` in `layers`:\n",
        table(net_schema.HiddenLayer),
        "`output:` in `layers`:\n",
        table(net_schema.OutputLayer),
        activations_text(),
        "## optimizer (`config/optimizer/<name>.yaml`)\n",
        table(s.Optimizer),
        "An entry of `phases` has the same keys, and each but the last also says when it ends (one of these, or both):\n",
        table(s.Phase, skip=s.Step.model_fields),
        optimizers_text(),
        schedules_text(),
        "## run (`config/run/<name>.yaml`)\n",
        table(s.Run),
        "`loss:` ([formulas and sources](../explanation/losses.md)):\n",
        table(s.Loss),
        "`accuracy:` of `run`:\n",
        table(s.Accuracy),
        HYDRA,
    ]
    return "\n".join(parts)


def table(group: type[schema.Group], skip: Any = ()) -> str:
    """One row a field: key, type, default, meaning."""
    tree = group.model_json_schema()
    required = set(tree.get("required", ()))
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in tree["properties"].items():
        if name in skip:
            continue
        meaning = field.get("description", "")
        if meaning.startswith("(new) "):
            meaning = "**new** " + meaning.removeprefix("(new) ")
        default = (
            "required" if name in required else f"`{literal(field.get('default', [] if 'items' in field else {}))}`"
        )
        lines.append(f"| `{name}` | {kind(field)} | {default} | {escape(meaning)} |")
    return "\n".join(lines) + "\n"


def escape(words: str) -> str:
    """`words` as Markdown shows them in a table."""
    words = words.replace("|", "\\|").replace("**2", "²")
    parts = words.split("`")  # within backquotes nothing is HTML
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def kind(field: dict[str, Any]) -> str:
    """'integer > 0' from a piece of JSON schema."""
    if "anyOf" in field:
        return " or ".join(kind(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field or "allOf" in field:
        return "mapping"
    name = {"string": "text", "object": "mapping", "boolean": "true or false", "array": "list"}.get(
        field.get("type", "")
    )
    if field.get("type") == "array":
        if not field["items"]:
            return "list"
        return f"list of {plural(kind(field['items']))}"
    limits = (("exclusiveMinimum", ">"), ("minimum", ">="), ("exclusiveMaximum", "<"))
    words = [f"{sign} {bound(field[key])}" for key, sign in limits if key in field and bound(field[key])]
    return " ".join([name or field.get("type", "any"), ", ".join(words)]).strip()


def plural(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first}s {rest}".strip()


def bound(value: float) -> str:
    return "" if value >= 2**62 else f"{value:g}"


def literal(value: Any) -> str:
    """A default as one writes it in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def distributions_text() -> str:
    lines = ["| `distribution` | arguments |", "|---|---|"]
    for name in distributions.DISTRIBUTIONS:
        arguments = [
            f"{p.name} = {p.default:g}" if isinstance(p.default, float) else p.name
            for p in inspect.signature(getattr(Rng, name)).parameters.values()
            if p.name not in ("self", "shape")
        ]
        lines.append(f"| `{name}` | {', '.join(f'`{a}`' for a in arguments)} |")
    return (
        "\n".join(lines) + "\n\nWithout `probs`, all `values` are equally likely. "
        "`truncated_normal` is cut at two standard deviations, as in TensorFlow.\n"
    )


def activations_text() -> str:
    names = ", ".join(f"`{name}`" for name in activations.keras_activations())
    return (
        f"Activations: {names} have Keras' meaning (`leaky_relu` has slope 0.2), with or without `tf.nn.`, "
        "`tf.keras.activations.` or `tf.math.` in front. Every other name is looked up in `torch.nn.functional`, `torch` and "
        "`torch.special` (`relu`, `tanh`, `sigmoid`, `softplus`, `silu`, `exp`, ...). `package.module.function` is imported.\n"
    )


def optimizers_text() -> str:
    lines = ["Under a Keras name, Keras' defaults hold (written with PyTorch's argument names):\n", "| `optimizer` | "
             "defaults that are not PyTorch's |", "|---|---|"]  # fmt: skip
    for name, defaults in optimizers.keras_optimizers().items():
        lines.append(f"| `{name}` | {', '.join(f'`{k} = {v:g}`' for k, v in defaults.items()) or 'none'} |")
    return (
        "\n".join(lines)
        + "\n\nOf this library: `LevenbergMarquardt`, `AdaHessian`, `MAO`, `NaturalGradient`, `Lion`, `Ftrl` "
        "([what they do](../howto/optimizers.md)). Every other optimizer of `torch.optim` has PyTorch's defaults; Muon and "
        "SparseAdam are refused, since they cannot train this network step by step. `optimizer_kwargs` takes PyTorch's argument "
        "names, and `beta_1`, `beta_2`, `epsilon`, `rho` of Keras. The optimizer's fused form is used where there is one.\n"
    )


def schedules_text() -> str:
    lines = ["Schedules multiply `learning_rate`; they advance once a gradient step:\n", "| `learning_rate_schedule` | "
             "`schedule_kwargs` |", "|---|---|"]  # fmt: skip
    for name, arguments in schedules.keras_schedules().items():
        lines.append(f"| `{name}` | {', '.join(f'`{a}`' for a in arguments)} |")
    return (
        "\n".join(lines)
        + "\n\nThese have Keras' formulas, with ends given as factors of `learning_rate`; Keras' own arguments "
        "`initial_learning_rate`, `end_learning_rate`, `warmup_target` and `values` are taken too. `decay_steps` is the "
        "whole run (without its warm-up) where it is not set. The names of `torch.optim.lr_scheduler` are known as well, except "
        "those that take functions or other schedules. `ReduceLROnPlateau` advances once an episode, by its loss: `patience` and "
        "`cooldown` are in episodes.\n"
    )


if __name__ == "__main__":
    main()
