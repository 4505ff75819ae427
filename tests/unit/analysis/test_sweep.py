"""What the runs of a sweep found, side by side."""

from __future__ import annotations

import csv
import io
import math

import pytest
from rich.console import Console

from deqn.analysis.sweep import Job, Summary, read, worst
from deqn.disk.run_folder import RunFolder

RECORD = {
    "status": "finished", "loss": 1e-6, "seconds": 12.0,
    "accuracy": {"euler": {"mean": 1e-3, "max": 2e-3}, "labour": {"mean": 9e-3, "max": 9e-2}, "all": {"mean": 5e-3, "max": 9e-2}},
    "verdict": {"ok": True, "findings": []},
    "closed_form": {"s": {"mean": 1e-4, "max": 3e-4}, "h": {"mean": 1e-4, "max": 4e-4}},
}  # fmt: skip
FINDINGS = [{"kind": "drift", "text": "", "advice": ""}, {"kind": "at a bound", "text": "", "advice": ""}]


def job(tmp_path, number=0, overrides=("seed=1",), code=0, error="", **changes) -> Job:
    folder = tmp_path / str(number)
    folder.mkdir()
    RunFolder(folder).write(**(RECORD | changes))
    return read(number, overrides, folder, code, error)


def made(number: int, overrides: dict[str, str], tmp_path, verdict="ok", **figures: float) -> Job:
    return Job(number, overrides, tmp_path / str(number), verdict, figures)


def shown(summary: Summary, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(summary.table(console))
    return console.file.getvalue()


def rows(file) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def grid(tmp_path) -> Summary:
    """Two learning rates, three seeds each, in another order than that of their numbers; one job was refused."""
    losses = {("1e-3", 1): 3.0, ("1e-3", 2): 1.0, ("1e-3", 3): 8.0, ("1e-4", 1): 5.0, ("1e-4", 2): 7.0}
    jobs = [
        made(n, {"seed": str(seed), "optimizer.learning_rate": rate}, tmp_path, loss=loss, mean_residual=2 * loss)
        for n, ((rate, seed), loss) in enumerate(losses.items())
    ]
    jobs.append(made(5, {"seed": "3", "optimizer.learning_rate": "1e-4"}, tmp_path, "refused"))
    return Summary(jobs[::-1], ["seed", "optimizer.learning_rate"])


# -- a job ------------------------------------------------------------------------------------------------------------


def test_figures_are_those_of_all_equations_and_of_the_policy_that_is_farthest_from_its_closed_form(tmp_path):
    figures = job(tmp_path).figures
    assert figures == {
        "loss": 1e-6,
        "seconds": 12.0,
        "mean_residual": 5e-3,
        "max_residual": 9e-2,
        "policy_error": 4e-4,
    }


def test_a_model_without_a_closed_form_has_no_distance_to_it(tmp_path):
    assert "policy_error" not in job(tmp_path, closed_form={}).figures


def test_overrides_are_read_whatever_stands_before_and_behind_them(tmp_path):
    assert job(tmp_path, overrides=["++seed=1", "+constants.β=a=b"]).overrides == {"seed": "1", "constants.β": "a=b"}


def test_the_verdict_is_ok_or_what_was_found(tmp_path):
    found = job(tmp_path, 1, code=6, verdict={"ok": False, "findings": FINDINGS})
    assert [job(tmp_path, 0).verdict, found.verdict] == ["ok", "drift, at a bound"]


def test_what_an_earlier_run_has_left_in_the_folder_of_a_refused_job_is_not_its_own(tmp_path):
    refused = job(tmp_path, code=2, error="ConfigError: 1 problem\n 1. no")
    assert (refused.verdict, refused.figures, refused.error) == ("refused", {}, "ConfigError: 1 problem 1. no")


def test_a_job_that_was_stopped_has_not_the_verdict_of_its_earlier_start(tmp_path):
    stopped = job(tmp_path, code=130, status="interrupted")
    assert stopped.verdict == "interrupted"
    assert stopped.figures == {"loss": 1e-6, "seconds": 12.0}


# -- over seeds -------------------------------------------------------------------------------------------------------


def test_median_and_worst_are_over_the_seeds_of_each_group_that_have_a_verdict(tmp_path):
    summary = grid(tmp_path)
    (tmp_path / "out").mkdir()
    seeds = rows(summary.write(tmp_path / "out")[1])
    assert [row["optimizer.learning_rate"] for row in seeds] == ["1e-3", "1e-4"]
    assert [(float(row["median_loss"]), float(row["worst_loss"])) for row in seeds] == [(3.0, 8.0), (6.0, 7.0)]
    assert [(row["ok"], row["seeds"]) for row in seeds] == [("3", "3"), ("2", "3")]


def test_without_a_swept_seed_there_is_nothing_over_seeds(tmp_path):
    summary = Summary(
        [made(n, {"seed": "1", "constants.beta": str(n)}, tmp_path, loss=1.0) for n in (0, 1)], ["constants.beta"]
    )
    assert summary.groups == []
    assert [file.name for file in summary.write(tmp_path)] == ["sweep.csv"]
    assert "median" not in shown(summary)


def test_what_is_not_a_number_is_worse_than_any(tmp_path):
    assert math.isnan(worst([1.0, math.nan, 2.0]))


# -- the table --------------------------------------------------------------------------------------------------------


def test_jobs_stand_in_the_order_of_their_numbers(tmp_path):
    summary = grid(tmp_path)
    assert [row["job"] for row in rows(summary.write(tmp_path)[0])] == ["0", "1", "2", "3", "4", "5"]
    numbers = [line.split()[0] for line in shown(summary).splitlines() if line.split()[0].isdecimal()]
    assert numbers == ["0", "1", "2", "3", "4", "5"]


def test_the_file_has_every_digit_and_folders_as_seen_from_there(tmp_path):
    file = Summary([job(tmp_path, loss=1 / 3)], ["seed"]).write(tmp_path)[0]
    (row,) = rows(file)
    assert float(row["loss"]) == 1 / 3
    assert (row["seed"], row["verdict"], row["folder"], row["error"]) == ("1", "ok", "0", "")


def test_twenty_jobs_take_a_line_each_in_eighty_columns(tmp_path):
    figures = dict.fromkeys(["loss", "mean_residual", "max_residual", "policy_error"], 1.234e-10) | {"seconds": 5999.0}
    jobs = [made(n, {"seed": str(n // 2), "optimizer.learning_rate": "0.0001"}, tmp_path, **figures) for n in range(20)]
    lines = shown(Summary(jobs, ["seed", "optimizer.learning_rate"])).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert sum(line.rstrip().endswith(" ok") and "1.2e-10" in line for line in lines) == 20 + 1  # and the median


def test_keys_that_do_not_fit_beside_each_other_stand_below_each_other(tmp_path):
    keys = [f"group.a_rather_long_key_{letter}" for letter in "abcdefg"]
    lines = shown(Summary([made(0, dict.fromkeys(keys, "0.00012345"), tmp_path, loss=1.0)], keys)).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("a_rather_long_key_" in line and "=0.00012345" in line for line in lines) == 7


def test_a_key_is_written_out_where_another_ends_alike(tmp_path):
    jobs = [made(0, {"net.seed_of": "1", "run.seed_of": "2", "constants.beta": "3"}, tmp_path, loss=1.0)]
    text = "".join(shown(Summary(jobs, ["net.seed_of", "run.seed_of", "constants.beta"])).split())
    assert "net.run." in text
    assert "constants." not in text


def test_square_brackets_of_a_value_are_shown(tmp_path):
    assert "[a/b]" in shown(Summary([made(0, {"net": "[a/b]"}, tmp_path, "[c]")], ["net"]))


@pytest.mark.parametrize("width", [80, 200])
def test_what_tells_jobs_apart_is_found_where_it_is_not_said(tmp_path, width):
    jobs = [made(n, {"model": "m", "constants.beta": f"0.{n + 5}"}, tmp_path, loss=1.0) for n in (0, 1)]
    assert Summary(jobs).swept == ["constants.beta"]
