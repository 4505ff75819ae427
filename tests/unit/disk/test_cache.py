"""Where the code of torch.compile is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch._inductor import config

from deqn.disk import cache
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path / "deqn"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # put back afterwards
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    with config.patch({"cpp.vec_isa_ok": None}):
        yield


def kept() -> Path:
    cache.keep_compiled()
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])


def test_the_folder_is_the_one_of_the_environment(monkeypatch, tmp_path):
    assert cache.cache_folder() == tmp_path / "deqn"
    monkeypatch.delenv("DEQN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "deqn"


def test_compiled_code_is_kept_there(tmp_path):
    assert kept().parent == tmp_path / "deqn"


def test_a_run_that_compiles_keeps_it_there(tmp_path):
    """In a process of its own: PyTorch settles for a folder as soon as an optimizer is made."""
    lines = [
        "import deqn, os",
        "deqn.Trainer(deqn.load_model('brock_mirman', ['run.compile=true']))",
        "print(os.environ['TORCHINDUCTOR_CACHE_DIR'])",
    ]
    process = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=ROOT)
    assert Path(process.stdout.strip()).parent == tmp_path / "deqn", process.stderr


def test_a_folder_of_the_users_stays(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    assert kept() == Path("elsewhere")


def test_another_machine_has_another_folder(monkeypatch):
    here = kept()
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr(cache, "machine", lambda: "another one")
    assert kept() != here


def test_a_folder_that_cannot_be_made_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path / "file"))
    cache.keep_compiled()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


@pytest.mark.parametrize(("accepted", "known"), [(["avx512", "avx2"], True), (["avx2"], False), ([], False)])
def test_instructions_are_not_tried_again_where_the_compiler_took_all_of_the_processors(accepted, known, monkeypatch):
    kept()
    tried = SimpleNamespace(
        x86_isa_checker=lambda: ["avx2", "avx512"],
        supported_vec_isa_list=["amx_tile", "avx512", "avx2"],
        valid_vec_isa_list=lambda: accepted,
    )
    monkeypatch.setitem(sys.modules, "torch._inductor.cpu_vec_isa", tried)
    cache.keep_trial()
    cache.keep_compiled()
    assert config.cpp.vec_isa_ok is (True if known else None)


@pytest.mark.parametrize("what", ["machine", "compiler"])
def test_instructions_of_another_machine_or_compiler_are_tried(what, monkeypatch):
    kept()
    cache._note().touch()
    if what == "machine":
        monkeypatch.setattr(cache, "machine", lambda: "another one")
    else:
        monkeypatch.setenv("CXX", "python3")
    cache.keep_compiled()  # in the same folder
    assert config.cpp.vec_isa_ok is None


def test_a_users_word_on_the_instructions_stands():
    kept()
    cache._note().touch()
    config.cpp.vec_isa_ok = False
    cache.keep_compiled()
    assert config.cpp.vec_isa_ok is False
