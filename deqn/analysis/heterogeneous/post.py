"""What `deqn post` writes of an economy with a histogram of households."""

from __future__ import annotations

import importlib.util

import torch

from deqn.analysis import figures
from deqn.analysis.heterogeneous import aggregates, households, impulse_responses, linear, report
from deqn.analysis.heterogeneous.economy import Economy, NotOffered, has_distribution
from deqn.analysis.heterogeneous.literature import literature
from deqn.analysis.heterogeneous.path import Path
from deqn.analysis.run import Run


def post_process(run: Run) -> list[str]:
    """Writes tables and figures into `run.output`; returns lines about them, none of a model without a distribution."""
    if not has_distribution(run.model):
        return []
    with run.model.context(), torch.no_grad():
        try:
            economy = Economy(run)
        except NotOffered as reason:
            return [f"no tests of the literature: {reason}"]
        path = Path(economy)
        figures.save(households.draw(path), run.output / "households.png")
        lines = [aggregates.save(path), *_impulse_responses(economy)]
        make = run.from_post_process("references")
        references = make(run) if make else {}
        paths = {"network": path}
        if references:
            own, fine = references.pop("own grid"), references.pop("fine grid")
            lines.append(report.summary(report.accuracy_report(path, own, fine, references)))
            solutions = {"reference": own} | {f"reference, {name}": other for name, other in references.items()}
            paths |= {name: Path(Economy(run, solution.policy)) for name, solution in solutions.items()}
        measured = literature(run, paths)
    euler = measured["Euler equation of one household"]
    bellman = measured.get("Bellman equation", {}).get("E|V - max(u + beta E V')|", {})
    for name in paths:
        line = f"{name}: dynamic Euler errors of c: mean {euler['dynamic, c, mean'][name]:.4f} %, "
        line += f"largest {euler['dynamic, c, largest'][name]:.3f} %"
        lines.append(line + (f"; Bellman error {bellman[name]:.1e} utils" if name in bellman else ""))
    return [*lines, "the other tests of the literature: den_haan_judd_juillard.md"]


def _impulse_responses(economy: Economy) -> list[str]:
    """Writes aggregate_responses.csv and .png, with the linear solution where the folder has a Linear.py."""
    run, solution, lines = economy.run, None, []
    if run.model.linker.has("Linear"):
        if importlib.util.find_spec("sequence_jacobian") is None:
            lines.append("no linear solution: it needs sequence-jacobian (pip install 'deqn[ks]')")
        else:
            file = run.model.linker.link("Linear")
            solution = linear.solve(file.sequence_jacobian(run.config.constants, run.model.calibration))
    try:
        responses = impulse_responses.table(economy, solution)
    except NotOffered as reason:
        return [*lines, f"no impulse responses: {reason}"]
    responses.to_csv(run.output / "aggregate_responses.csv", index=False, float_format="%.7g")
    figures.save(impulse_responses.draw(responses), run.output / "aggregate_responses.png")
    return lines
