"""What `deqn post` writes of an economy with a distribution of households."""

from __future__ import annotations

import torch

from deqn.analysis.heterogeneous.economy import NotOffered, has_distribution
from deqn.analysis.heterogeneous.literature import literature
from deqn.analysis.run import Run


def post_process(run: Run) -> list[str]:
    """Writes the tests of the literature into `run.output`; returns lines about them, none of a model without a distribution."""
    if not has_distribution(run.model):
        return []
    with run.model.context(), torch.no_grad():
        references = run.from_post_process("references")
        policies = {"network": run.model.policy} | (references(run) if references else {})
        try:
            report = literature(run, policies)
        except NotOffered as reason:
            return [f"no tests of the literature: {reason}"]
    euler = report["Euler equation of one household"]
    lines = []
    for name in policies:
        line = f"dynamic Euler errors of c: mean {euler['dynamic, c, mean'][name]:.4f} %, "
        line += f"largest {euler['dynamic, c, largest'][name]:.3f} %"
        bellman = report.get("Bellman equation", {}).get("E|V - max(u + beta E V')|", {})
        lines.append(f"{name}: {line}" + (f"; Bellman error {bellman[name]:.1e} utils" if name in bellman else ""))
    return [*lines, "the other tests of the literature: den_haan_judd_juillard.md"]
