"""scripts/start.py says what went wrong in the set-up, without pip's words, and what can be typed after a training."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys

import pytest

from tests.conftest import ROOT, TINY, plain_environment

START = ROOT / "scripts" / "start.py"

OUTPUTS = {
    "Could not fetch URL: NewConnectionError\nERROR: No matching distribution found for torch": "no connection",
    "ERROR: Could not find a version that satisfies the requirement setuptools>=69 (from versions: none)": "no connection",
    "ERROR: No matching distribution found for torch==2.13.0": "does not exist for this Python",
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device": "disk is full",
    "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))": "certificate",
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_pips_output_becomes_a_reason(output, tmp_path):
    names = runpy.run_path(str(START))
    log = tmp_path / "install.log"
    log.write_text(f"{output}\nnote: This error originates from a subprocess, and is likely not a problem with pip.\n")
    names["reason"].__globals__["LOG"] = str(log)
    assert OUTPUTS[output] in names["reason"]()
    assert "originates from a subprocess" not in names["reason"]()


def test_an_unknown_command_gets_the_known_ones():
    process = subprocess.run([sys.executable, START, "trian"], capture_output=True, text=True)
    assert process.returncode == 2
    assert "expected one of: train, post, test, docs, setup." in process.stderr


def test_an_environment_that_is_none_is_left_alone(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / "scripts" / "start.py").write_bytes(START.read_bytes())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((START.parent.parent / name).read_bytes())
    process = subprocess.run(
        [sys.executable, tmp_path / "scripts" / "start.py", "setup"], capture_output=True, text=True
    )
    assert process.returncode == 2
    assert "Remove it and run this again." in process.stderr
    assert not [*(tmp_path / ".venv").iterdir()]


def test_the_next_lines_work_as_printed_without_an_activated_environment(tmp_path):
    """What `python3 scripts/start.py train` runs, from another folder and with a PATH that knows no package."""
    environment = plain_environment(PATH=os.pathsep.join(["/usr/bin", "/bin"]))

    def done(*command: str) -> str:
        process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    trained = done(sys.executable, str(ROOT / "run_deepnet.py"), *TINY, "run.N_episodes=1", "hydra.run.dir=a run")
    tensorboard, post = trained.partition("next:\n")[2].splitlines()
    assert re.match(r"\d+\.\d+", done("sh", "-c", f"{tensorboard} --version_tb"))
    assert "tables and" in done("sh", "-c", post)
