"""What the names of a model mean: `about` of variables and constants, a few words with the unit in brackets at the end."""

from __future__ import annotations

import re

from deqn.configuration.schema import Config, Variable

_UNIT = re.compile(r"\s*\[([^\[\]]+)\]$")


def words_and_unit(about: str) -> tuple[str, str]:
    """`capital [goods]` -> ('capital', 'goods'); no unit where there is no bracket at the end."""
    found = _UNIT.search(about.strip())
    return (about.strip()[: found.start()], found.group(1)) if found else (about.strip(), "")


def about_variables(config: Config) -> dict[str, str]:
    """By name of a state, policy or definition, its `about`; those without one are left out."""
    given = config.variables
    variables: list[Variable] = [*given.states, *given.policies, *given.definitions]
    return {variable.name: variable.about for variable in variables if variable.about}


def units(config: Config) -> dict[str, str]:
    """By name of a variable, its unit; those without one are left out."""
    found = {name: words_and_unit(about)[1] for name, about in about_variables(config).items()}
    return {name: unit for name, unit in found.items() if unit}


def about_constants(config: Config) -> dict[str, str]:
    """By name of a constant, its `about`."""
    return config.about.constants if config.about is not None else {}
