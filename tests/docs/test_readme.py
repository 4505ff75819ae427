"""The README and the pages of docs/ show what works."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import deqn
from tests.docs.blocks import ROOT, blocks, commands, is_training, python, shell, shown, without_numbers

DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
README = ROOT / "README.md"
FIRST = DOCS / "first_solution.md"
SWEEPS = DOCS / "howto" / "sweeps.md"
# a reader goes from page to page in one folder. Not here: test_writing_a_model.py runs that page
READ = [README, *(DOCS / f"{name}.md" for name in (
    "install", "howto/resume", "first_solution", "tutorials/judging_a_solution", "howto/running", "howto/sweeps",
    "howto/diagnose", "howto/sizes_and_training", "howto/post_processing", "howto/states", "howto/optimizers",
    "explanation/training", "explanation/losses", "index",
))]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def results(folder) -> dict[str, subprocess.CompletedProcess[str]]:
    """Every shell command of these pages run in order; a new run has two episodes, a resumed one four."""
    lines = [line for page in READ for block in blocks(page) if block.language == "shell" for line in commands(block)]
    lines = {
        re.sub(r"python run_deepnet\.py (?=model=)", "deqn train ", line): line for line in lines
    }.values()  # once each
    episodes = {line: "run.N_episodes=4" if "LATEST" in line else "run.N_episodes=2" for line in lines}
    return {line: shell(line, folder, episodes[line] if is_training(line) else "") for line in lines}


def test_every_command_succeeds(results):
    assert len(results) > 8
    failed = {line: result.stdout + result.stderr for line, result in results.items() if result.returncode}
    assert not failed


def test_the_commands_of_every_page_are_run():
    elsewhere = {DOCS / "tutorials" / "writing_a_model.md"}
    assert {page for page in PAGES if any(block.language == "shell" for block in blocks(page))} == {*READ, *elsewhere}


def test_the_run_folder_has_what_the_table_says(results, folder):
    for pattern in (
        "long/.hydra/config.yaml", "long/.hydra/config.1.yaml", "long/.hydra/overrides.yaml", "long/.hydra/hydra.yaml",
        "long/ckpt/ckpt-4.pt", "long/run.json", "long/error_file.txt", "long/events.out.tfevents.*.deqn",
        "first/simulated_states.csv", "first/simulated_policies.csv", "first/simulated_definitions.csv",
        "first/simulated_euler_discrepancies.csv", "first/post/*_*/*.png", "first/post/*_*/report.html",
    ):  # fmt: skip
        assert list((folder / "runs").glob(pattern)), pattern


def test_the_sweep_makes_four_runs_two_tables_and_a_figure(results, folder):
    rates = folder / "runs" / "rates"
    assert len(list(rates.glob("*/run.json"))) == 4
    assert [file.name for file in sorted(rates.glob("sweep*.[cp]*"))] == [
        "sweep.csv",
        "sweep.png",
        "sweep_over_seeds.csv",
    ]


def _without_figures(text: str) -> list[str]:
    """Lines of a sweep without what another machine, or a shorter training, changes: figures, times and verdicts."""
    lines = [re.sub(r"\d\.\de[-+]\d\d|(?<=\|residual\|: ).*", "#", line) for line in text.splitlines()]
    lines = [re.sub(r" +[\d.]+ (s|min|h)\b.*?(; \d/|; \|.*)?$", r" time\2", line) for line in lines]
    return [" ".join(re.sub(r"verdict .*, time", "verdict, time", line).split()) for line in lines]


def test_the_sweep_shown_is_what_is_printed(results):
    (shown,) = [block.text for block in blocks(SWEEPS) if block.text.startswith("[1/4]")]
    (printed,) = [result.stdout for line, result in results.items() if "deqn sweep model=" in line]
    lines = _without_figures(printed)
    assert _without_figures(shown) == lines[lines.index(_without_figures(shown)[0]) :][: len(shown.splitlines())]


def test_the_outputs_shown_are_those_that_are_printed(results):
    lines = shown(FIRST)
    assert len(lines) > 5
    assert not lines - without_numbers("".join(result.stdout for result in results.values()))


def test_the_network_of_another_model_can_solve_brock_mirman():
    """`model=brock_mirman net=...` as shown: a short training comes near alpha * beta in every state."""
    lines = [line for page in READ for block in blocks(page) for line in block.text.splitlines()]
    (net,) = {match[1] for line in lines if (match := re.search(r"model=brock_mirman (net=\w+)", line))}
    overrides = [net, "run.N_episodes=60", "optimizer.schedule_kwargs.decay_steps=1200"]
    model = deqn.load_model("brock_mirman", overrides)
    deqn.Trainer(model).fit()
    savings = model.PolicyState.s(model.policy(model.initial_states(200))).detach()
    assert float((savings - model.Parameters.alpha * model.Parameters.beta).abs().max()) < 0.02


@pytest.mark.parametrize("page", [DOCS / "howto" / "from_python.md", DOCS / "tutorials" / "judging_a_solution.md"])
def test_python_of_the_page_runs(page, results, folder):
    (code,) = [block.text for block in blocks(page) if block.language == "python"]
    result = python(code, folder)
    assert result.returncode == 0, result.stderr


def test_the_equations_shown_are_those_of_the_model():
    shown = next(block.text for block in blocks(README) if "def equations" in block.text)
    real = (ROOT / "models" / "brock_mirman" / "Equations.py").read_text(encoding="utf-8")
    assert ast.dump(ast.parse(shown)) == ast.dump(ast.parse(real))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):  # nothing outside is asked in a test
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_on_the_page_exist(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":  # which also names what is gone
        return
    for name in re.findall(r"`((?:deqn|scripts|models|config|docs|tests|typings)/[\w/.-]+)`", text):
        assert (ROOT / name).exists(), name


def test_environment_yaml_installs_what_start_py_installs():
    environment = yaml.safe_load((ROOT / "environment.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-c constraints.txt", "-e .[ks,reference,dev]"]
    assert (ROOT / "constraints.txt").is_file()
    assert '"[ks,reference,dev]"' in (ROOT / "scripts" / "start.py").read_text(encoding="utf-8")


def test_pre_commit_needs_no_network():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    assert all(hook["language"] == "system" for repo in hooks["repos"] for hook in repo["hooks"])
