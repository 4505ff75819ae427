"""Capital of a trained Krusell-Smith run beside the linear solution of sequence-jacobian, on common shocks.

python run_deepnet.py model=krusell_smith hydra.run.dir=runs/ks
python benchmarks/krusell_smith_linear.py runs/ks
"""

from __future__ import annotations

import sys

import numpy as np

import deqn
from deqn.analysis.heterogeneous import linear
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path


def main(folder: str) -> None:
    run = deqn.load_run(folder)
    path = Path(Economy(run))
    network = np.log(path.series["K"])
    handed = run.model.linker.link("Linear").sequence_jacobian(run.config.constants, run.model.calibration)
    line = np.log(linear.path(linear.solve(handed), path.shocks, logs=("K",))["K"])[path.burn_in :]
    gap = 100 * (network - line)
    print(f"{path.periods:,} quarters: std of log K, network / linear {network.std() / line.std():.4f}, correlation "
          f"{np.corrcoef(network, line)[0, 1]:.6f}, mean gap {gap.mean():+.4f} %, largest {np.abs(gap).max():.4f} %")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
