"""Names of distributions of the initial states."""

from __future__ import annotations

import pytest

from deqn.configuration.distributions import distribution
from deqn.errors import ConfigError


def test_a_missing_argument_of_a_distribution_is_named():
    with pytest.raises(ConfigError, match=r"init.kwargs: 'value' is missing for constant\(value\)"):
        distribution("constant", {}, "init")
