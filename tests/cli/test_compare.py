"""`deqn compare`: the same run is the same, another seed is not, another economy is refused."""

from __future__ import annotations

import csv
import shutil
import subprocess

import pytest
import torch

import deqn
from deqn.analysis.compare import compare
from tests import warm
from tests.conftest import ROOT, plain_environment


def typed(cwd, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), "-m", "deqn", "compare", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300,
        env=plain_environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip


@pytest.fixture
def runs(finished_run, tmp_path):
    """A run and its copy, `one` and `copy`."""
    for name in ("one", "copy"):
        shutil.copytree(finished_run, tmp_path / name)
    return tmp_path


def test_a_copy_is_the_same_and_a_changed_network_is_not(runs):
    one, copy = (deqn.load_run(runs / name) for name in ("one", "copy"))
    same = compare([one, copy], ["one", "copy"])
    assert same.largest == 0.0
    assert same.differences["path"].max() == 0.0
    policies = one.policies(one.cloud())[:, 0]
    with torch.no_grad():
        [layer for layer in copy.model.network.body if isinstance(layer, torch.nn.Linear)][-1].bias.add_(0.1)
    copy._cloud = one.cloud()
    other = compare([one, copy], ["one", "copy"])
    s = other.differences.set_index("variable").loc["s"]
    moved = copy.policies(one.cloud())[:, 0]
    assert s["mean"] == pytest.approx(float((moved - policies).abs().mean() / policies.abs().mean()), rel=0.02)
    assert s["path"] > s["mean"] / 2
    assert other.largest >= s["mean"]


def test_the_command_prints_both_tables_and_writes_one(runs):
    ended = typed(runs, "one", "copy", "--tolerance", "0", "--out", "differences.csv")
    assert ended.returncode == 0, ended.stderr
    assert "differences from one" in ended.stdout
    with (runs / "differences.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["variable"] for row in rows} >= {"s", "K_next"}
    assert all(float(row["mean"]) == 0.0 for row in rows)


def test_runs_that_differ_end_with_status_three(runs):
    shutil.rmtree(runs / "copy" / "ckpt")
    shutil.copytree(runs / "one" / "ckpt", runs / "copy" / "ckpt")
    (runs / "copy" / "ckpt" / "ckpt-3.pt").unlink()  # the policy of an earlier episode
    ended = typed(runs, "one", "copy", "--tolerance", "1e-6")
    assert ended.returncode == 3
    assert "copy differs: " in ended.stderr
    assert "more than the tolerance of 1e-06" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "deqn compare needs two runs or more"),
        (["one", "nowhere"], "there is no"),
        (["one", "copy", "--tolerance", "-1"], "expected a number of at least zero"),
        (["one", "copy", "--out", "no/where.csv"], "there is no folder no"),
    ],
)
def test_nonsense_is_one_message(runs, arguments, message):
    ended = typed(runs, *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_economy_is_refused(finished_run, finished_bm1972):
    runs = [deqn.load_run(finished_run), deqn.load_run(finished_bm1972)]
    with pytest.raises(deqn.ConfigError, match="runs of one economy can be compared"):
        compare(runs, ["one", "other"])
