"""docs/howto/heterogeneous_agents.md: its example runs, and its contract is the one that is asked for."""

from __future__ import annotations

import deqn
from deqn.analysis.heterogeneous.economy import _OFFERED, _PARAMETERS
from deqn.configuration.compose import compose, write_run_configuration
from deqn.disk.run_folder import RunFolder, comparable
from deqn.economy.probe import probe
from tests.docs.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "howto" / "heterogeneous_agents.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    """On the smallest run that there can be."""
    size = ["run.N_episodes=1", "run.N_sim_batch=8", "run.N_episode_length=4", "run.N_minibatch_size=8"]
    composed = compose(["model=krusell_smith_1998", "constants.nA=60", *size])
    model, folder = deqn.Model(composed.config), tmp_path / "runs" / "ks"
    probe(model)
    folder.mkdir(parents=True)
    write_run_configuration(composed, folder)
    RunFolder(folder).write(status="running", configuration=comparable(composed.config), versions={})
    deqn.Trainer(model, RunFolder(folder)).fit(quiet=True)
    (code,) = [block.text for block in blocks(PAGE) if block.language == "python"]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert 0 < float(capsys.readouterr().out.split()[-2]) < 5
    assert (folder / "den_haan_judd_juillard.md").is_file()


def test_the_page_lists_what_is_asked_of_a_folder():
    text = PAGE.read_text(encoding="utf-8")
    names = [f"{file}.{function}(" for file, functions in _OFFERED.items() for function in functions]
    assert not [name for name in [*names, *(f"Parameters.{p}`" for p in _PARAMETERS)] if f"`{name}" not in text]
