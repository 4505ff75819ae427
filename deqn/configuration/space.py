"""The search space of a sweep: from the command line, in Hydra's syntax, and from a YAML file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import IntervalSweep, Override

from deqn.configuration.overrides import parse_overrides, raise_all, sweep_values, value_of
from deqn.errors import ConfigError, suggestion

_FILE_KEYS = ("params", "trials", "prune")
_EXAMPLE = (
    "optimizer.learning_rate=1e-3,3e-4, 'run.N_sim_batch=choice(64,128)', 'seed=range(1,4)' or "
    "'optimizer.learning_rate=tag(log,interval(1e-5,1e-2))'"
)


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`: `interval(0,1)`, `tag(log,interval(1e-5,1e-2))`, `int(interval(16,64))`.

    Attributes:
        log: drawn evenly over their logarithm.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def text(self, value: float) -> str:
        """As one types it; four digits are enough to tell two trials apart."""
        return f"{value:.0f}" if self.whole else f"{value:.4g}"

    @property
    def samples(self) -> list[str]:
        """Both ends, and a number between them."""
        return [self.text(x) for x in (self.low, self.high, self.low + 0.382 * (self.high - self.low))]


@dataclass(frozen=True)
class Space:
    """What is the same in each job, and what differs.

    Attributes:
        fixed: overrides as they were typed.
        choices: key, with Hydra's prefix -> its values as they were typed.
        intervals: key -> where its values are drawn from.
        trials, prune: what the file says of them.
    """

    fixed: Sequence[str]
    choices: Mapping[str, Sequence[str]]
    intervals: Mapping[str, Interval]
    trials: int | None = None
    prune: bool | None = None
    typed: Mapping[str, str] = field(default_factory=dict)

    def grid(self) -> list[dict[str, str]]:
        """Each combination of the values, in Hydra's order."""
        return [dict(zip(self.choices, values, strict=True)) for values in itertools.product(*self.choices.values())]

    def samples(self) -> list[dict[str, str]]:
        """Few combinations in which each value, and a few of each interval, come once: to try them all."""
        columns = {**self.choices, **{key: interval.samples for key, interval in self.intervals.items()}}
        n = max((len(values) for values in columns.values()), default=1)
        return [{key: values[i % len(values)] for key, values in columns.items()} for i in range(n)]


def read(typed: Sequence[str], file: Path | None = None) -> Space:
    """The space of a command line; what is typed has precedence over the file.

    Raises:
        ConfigError: where no key has several values, or what stands in the file cannot be read.
    """
    content = {} if file is None else _load(file)
    own = parse_overrides(typed)
    keys = {o.key_or_group for o in own}
    lines = [line for line in content.get("params", []) if line.lstrip("+").partition("=")[0] not in keys]
    fixed: list[str] = []
    choices: dict[str, list[str]] = {}
    intervals: dict[str, Interval] = {}
    texts: dict[str, str] = {}
    for override in [*own, *parse_overrides(lines)]:
        key = str(override.input_line).partition("=")[0]
        if not override.is_sweep_override():
            fixed.append(str(override.input_line))
            continue
        texts[key] = value_of(override)
        values = sweep_values(override)
        if values is not None:
            choices[key] = list(dict.fromkeys(values))
        else:
            intervals[key] = _interval(override)
    if not texts:
        raise ConfigError(f"no key has several values, so there is nothing to sweep. Give for example {_EXAMPLE}.")
    return Space(fixed, choices, intervals, content.get("trials"), content.get("prune"), texts)


def _interval(override: Override) -> Interval:
    value: Any = override.value()
    line = override.input_line
    if not isinstance(value, IntervalSweep):
        raise ConfigError(f"{line}: expected values, a range or an interval, such as {_EXAMPLE}.")
    low, high, log = value.start, value.end, "log" in value.tags
    if low is None or high is None or not low < high:
        raise ConfigError(f"{line}: expected an interval whose first number is smaller than its second.")
    if log and low <= 0:
        raise ConfigError(f"{line}: tag(log, ...) needs numbers above zero.")
    unknown = value.tags - {"log"}
    if unknown:
        raise ConfigError(f"{line}: unknown tag {sorted(unknown)[0]!r}; known: log.")
    return Interval(float(low), float(high), log, isinstance(low, int) and isinstance(high, int))


def _load(file: Path) -> dict[str, Any]:
    """Its `params` as lines `key=values`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--space {file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--space {file} is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("params"), dict):
        raise ConfigError(f"--space {file}: expected `params:` with a line for each key, such as {_EXAMPLE}.")
    problems = [
        f"{file}: unknown key {key!r}.{suggestion(str(key), _FILE_KEYS)} Known: {', '.join(_FILE_KEYS)}."
        for key in content
        if key not in _FILE_KEYS
    ]
    trials, prune = content.get("trials"), content.get("prune")
    if trials is not None and (not isinstance(trials, int) or isinstance(trials, bool) or trials < 1):
        problems.append(f"{file}: trials: {trials}: expected a whole number of at least 1.")
    if prune is not None and not isinstance(prune, bool):
        problems.append(f"{file}: prune: {prune}: expected true or false.")
    lines = []
    for key, value in content["params"].items():
        try:
            lines.append(f"{key}={','.join(map(_text, value)) if isinstance(value, list) else _text(value)}")
        except ValueError:
            problems.append(f"{file}: params: {key}: {value}: expected values in a list, or a text such as {_EXAMPLE}.")
    raise_all(problems, f"in {file}")
    return content | {"params": lines}


def _text(value: Any) -> str:
    """A value of YAML as one types it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, (int, float, str)):
        raise ValueError
    return str(value)
