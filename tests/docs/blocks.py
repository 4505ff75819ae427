"""Reads the code blocks of a Markdown page and runs them as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import warm

ROOT = Path(__file__).resolve().parent.parent.parent
_LABEL = re.compile(r"`([\w./-]+\.\w+)`( \(variant\))?")


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name in backquotes on the line before it."""

    language: str
    text: str
    file: str | None = None
    variant: bool = False


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    label: re.Match[str] | None = None
    language: str | None = None
    lines: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if language is not None:
            if line == "```":
                file = label[1] if label else None
                found.append(Block(language, "\n".join(lines) + "\n", file, bool(label and label[2])))
                language, label = None, None
            else:
                lines.append(line)
        elif line.startswith("```"):
            language, lines = line[3:].strip(), []
        elif line.strip():
            label = _LABEL.fullmatch(line.strip())
    return found


def write(block: Block, folder: Path) -> None:
    """Writes a block that has a file name."""
    assert block.file is not None
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def commands(block: Block) -> list[str]:
    """The command lines of a shell block, without comments."""
    text = block.text.replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # the environment is made; its commands are those of start.py
    lines = [re.sub(r"^python3 scripts/start\.py (?=train|post)", "deqn ", line) for line in lines]
    return [line for line in lines if line != "python3 scripts/start.py setup"]


def shell(line: str, folder: Path, extra: str = "") -> subprocess.CompletedProcess[str]:
    """Runs one line of a page in `folder`, with this Python and this checkout's scripts."""
    line = re.sub(r"\bpython (?=\S+\.py)", lambda _: f"{shlex.quote(warm.python())} {shlex.quote(str(ROOT))}/", line)
    line = re.sub(r"\bpython (?=-m deqn)", lambda _: f"{shlex.quote(warm.python())} ", line)
    line = re.sub(r"(?<![\w./-])deqn (?=[\w-]+)(?<!-m deqn )", lambda _: f"{shlex.quote(warm.python())} -m deqn ", line)
    return subprocess.run(
        ["bash", "-c", f"{line} {extra}"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600
    )


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a Python block in `folder`."""
    return subprocess.run(
        [warm.python(), "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600
    )


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "USE_CONFIG_FROM_RUN_DIR"}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def without_numbers(text: str) -> set[str]:
    """The lines of a terminal's output, with `#` for each number and folder, and one blank for many."""
    text = re.sub(r"(?<=run folder: ).*", "#", text)
    text = re.sub(r"-?\d[\d.,:/]*(e[+-]\d+)?( (s|min)\b)?", "#", text)
    return {" ".join(line.replace("━", "").split()) for line in text.splitlines()}


def shown(*pages: Path) -> set[str]:
    """Lines of the outputs on these pages, as `without_numbers` gives them; not the verdict on a long training."""
    text = "".join(block.text for page in pages for block in blocks(page) if block.language == "output")
    return {line for line in without_numbers(text) if not line.startswith("verdict: nothing speaks against")}


def is_training(line: str) -> bool:
    return any(name in line for name in ("run_deepnet.py", "deqn train", "deqn sweep")) and not any(
        option in line for option in ("--check", "--cfg", "--help")
    )
