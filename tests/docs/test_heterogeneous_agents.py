"""docs/heterogeneous_agents.md: its example runs, and its contract is the one that is asked for."""

from __future__ import annotations

from deqn.analysis.heterogeneous.economy import _OFFERED, _PARAMETERS
from tests.docs.blocks import ROOT, blocks, python, shell

PAGE = ROOT / "docs" / "heterogeneous_agents.md"


def test_the_example_runs(tmp_path):
    """On the smallest run that there can be."""
    overrides = [
        "constants.nA=60",
        "run.N_episodes=1",
        "run.N_sim_batch=8",
        "run.N_episode_length=4",
        "run.N_minibatch_size=8",
    ]
    result = shell("deqn train model=krusell_smith_1998 hydra.run.dir=runs/ks", tmp_path, " ".join(overrides))
    assert result.returncode == 0, result.stdout + result.stderr
    (code,) = [block.text for block in blocks(PAGE) if block.language == "python"]
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert 0 < float(result.stdout.split()[-2]) < 5
    assert (tmp_path / "runs" / "ks" / "den_haan_judd_juillard.md").is_file()


def test_the_page_lists_what_is_asked_of_a_folder():
    text = PAGE.read_text(encoding="utf-8")
    names = [f"{file}.{function}(" for file, functions in _OFFERED.items() for function in functions]
    assert not [name for name in [*names, *(f"Parameters.{p}`" for p in _PARAMETERS)] if f"`{name}" not in text]
