"""`deqn list`: the models that there are, a line each."""

from __future__ import annotations

import argparse
import sys

from deqn.economy.catalogue import Entry, entries
from deqn.errors import ConfigError, DEQNError, count

_NAMES = 22  # characters of names in a column; their number where they are longer


def main() -> None:
    """Prints the table; ends the process."""
    parser = argparse.ArgumentParser(
        prog=sys.argv[0],
        description="The models that model=<name> can choose, with the minutes of their default run on two cores.",
    )
    parser.add_argument("--config-dir", help="a folder with YAML files of your own")
    parser.add_argument("--from", dest="library", metavar="DIR", help="a folder of the TensorFlow library: its models")
    parser.add_argument("own", nargs="*", metavar="MODELS_DIR=...", help="a folder with models of your own")
    arguments = parser.parse_args()
    try:
        values = dict(argument.partition("=")[::2] for argument in arguments.own)
        unknown = [argument for argument in values if argument != "MODELS_DIR"]
        if unknown:
            raise ConfigError(f"{unknown[0]}: expected MODELS_DIR=<folder with your models>, and nothing else.")
        print(table(entries(arguments.config_dir, values.get("MODELS_DIR"), arguments.library)))
    except DEQNError as error:
        print(error.report, file=sys.stderr)
        sys.exit(error.exit_code)


def table(models: list[Entry]) -> str:
    """A line a model under a line of headings."""
    rows = [("model", "states", "policies", "equations", "minutes", "known answer")]
    for model in models:
        equations = "?" if model.equations is None else _cell(model.equations, "equation")
        minutes = "" if model.minutes is None else f"{model.minutes:g}"
        rows.append(
            (model.name, _cell(model.states, "state"), _cell(model.policies, "policy", "policies"), equations, minutes,
             model.known_answer)
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[5]]) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cell(names: tuple[str, ...], noun: str, plural: str | None = None) -> str:
    text = ", ".join(names)
    return text if len(text) <= _NAMES else count(len(names), noun, plural)
