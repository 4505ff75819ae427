"""The user's cache: where it is, and that nothing in it is overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from deqn.disk import cache


def test_the_folder_is_the_one_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path))
    assert cache.cache_folder() == tmp_path
    monkeypatch.delenv("DEQN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "deqn"


def test_another_machine_has_another_file(monkeypatch):
    here = cache.kept_file("products", "2x50", ".json")
    monkeypatch.setattr(cache, "machine", lambda: "another one")
    assert cache.kept_file("products", "2x50", ".json") != here


def test_what_another_process_has_kept_stays(tmp_path):
    path = tmp_path / "new" / "file"
    cache.keep(path, b"first")
    cache.keep(path, b"second")
    assert path.read_bytes() == b"first"
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    cache.keep(tmp_path / "file" / "x", b"content")
    assert not (tmp_path / "file" / "x").exists()


def test_compiled_code_is_kept_in_the_cache_unless_the_user_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    cache.keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "elsewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    cache.keep_compiled()
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent == tmp_path
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
