"""Capital of a trained Krusell-Smith run beside the linear solution of sequence-jacobian, on common shocks.

python run_deepnet.py model=krusell_smith hydra.run.dir=runs/ks
python benchmarks/krusell_smith_linear.py runs/ks
"""

from __future__ import annotations

import sys

import numpy as np
import torch

import deqn


def main(folder: str) -> None:
    run = deqn.load_run(folder)
    link = run.model.linker.link
    report, linear = link("Report"), link("Linear")
    z = report.productivity_path(run.model.Parameters.Pi_tfp.double().cpu().numpy(), report.BURN_IN + report.PERIODS)
    with run.model.context(), torch.no_grad():
        network = np.log(report.network_path(run, z)[0]["K"])[report.BURN_IN :]
    solution = linear.solve(run.config.constants, periods=400)
    line = np.log(linear.path(solution, z, logs=True)["K"])[report.BURN_IN :]
    gap = 100 * (network - line)
    print(f"{report.PERIODS:,} quarters: std of log K, network / linear {network.std() / line.std():.4f}, correlation "
          f"{np.corrcoef(network, line)[0, 1]:.6f}, mean gap {gap.mean():+.4f} %, largest {np.abs(gap).max():.4f} %")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
