"""How much the policy still moved between the last checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deqn.analysis.variables import policies_by_name
from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints

if TYPE_CHECKING:
    import pandas as pd

    from deqn.analysis.trained import Trained

LAST = 5


def policy_drift(run: Trained, last: int = LAST) -> pd.DataFrame:
    """Mean |change| of each policy to the next of the last checkpoints, relative to its mean size, on the run's cloud.

    Args:
        last: number of checkpoints; the run folder keeps `MAX_TO_KEEP` of them.

    Returns:
        A row for each checkpoint but the first, `episode`; a column a policy. Empty where there is only one checkpoint.
    """
    import pandas as pd

    checkpoints = Checkpoints(run.path, required=checkpoint.PAYLOAD)
    network, cloud = run.model.network, run.cloud()
    trained = {name: value.clone() for name, value in network.state_dict().items()}
    rows, before = {}, None
    try:
        for name in checkpoints.names()[-last:]:
            payload, _, _ = checkpoints.load(name)
            checkpoint.load_policy(network, payload, name, run.path)
            now = policies_by_name(run, cloud)
            if before is not None:
                rows[payload["episode"]] = {
                    key: float((now[key] - before[key]).abs().mean() / now[key].abs().mean().clamp(min=1e-12))
                    for key in now
                }
            before = now
    finally:
        network.load_state_dict(trained)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("episode")
