"""`deqn port ~/DEQN_library/dice`: a model folder of the TensorFlow library, rewritten to PyTorch for good."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deqn.commands import entry
from deqn.configuration.activations import OF_VARIABLES
from deqn.configuration.compose import Composed, compose
from deqn.configuration.port_yaml import yaml_files
from deqn.configuration.schema import Bounds
from deqn.errors import ConfigError, count
from deqn.processes.programs import to_type
from deqn.tensorflow import variables
from deqn.tensorflow.folder import asks_for_tensorflow


def main() -> None:
    """Writes the new folder and prints the report; ends the process."""
    parser = argparse.ArgumentParser(
        prog=sys.argv[0],
        description="Rewrites a model folder of the TensorFlow library to PyTorch. The folder itself is not changed.",
    )
    parser.add_argument("folder", type=Path, help="the model folder, with Equations.py")
    parser.add_argument(
        "--out", type=Path, help="the new folder, which gets models/ and config/ (default: <model>_torch)"
    )
    parser.add_argument("--config", type=Path, help="the library's config/ (default: the one beside the model folder)")
    arguments = parser.parse_args()
    folder = arguments.folder.expanduser().resolve()
    out = (arguments.out or Path(f"{folder.name}_torch")).expanduser()
    entry.finish(lambda: port(folder, out, arguments.config))


def port(folder: Path, out: Path, config: Path | None = None) -> int:
    """Writes `out` and prints the report.

    Args:
        folder: the model folder.
        out: does not exist yet; gets `models/<name>/` and, where there is a configuration, `config/`.
        config: a folder with config.yaml and its groups; by default the one beside the model folder, if there is one.

    Returns:
        0.

    Raises:
        ConfigError: where the folder is none of a model, `out` exists, or the configuration or a file cannot be read.
    """
    name = folder.name
    if not (folder / "Equations.py").is_file():
        raise ConfigError(f"{folder}: there is no Equations.py. Give a model folder, such as ~/DEQN_library/dice.")
    made = variables.has_variables(folder)
    if not asks_for_tensorflow(folder) and not made:
        print(f"nothing to do: no file of {folder} imports TensorFlow. Nothing was written.")
        return 0
    if out.exists():
        raise ConfigError(f"{out} exists. Give the name of a new folder: --out {shlex.quote(f'{out}_2')}")
    if importlib.util.find_spec("libcst") is None:
        raise ConfigError("deqn port needs libcst, which is not installed: pip install 'deqn[port]'")
    from deqn.tensorflow.port import port_folder

    composed, remarks, yaml = None, list[str](), dict[str, str]()
    beside = folder.parent / "config"
    if config is None and (beside / "config.yaml").is_file():
        config = beside
    constants: dict[str, Any] = {}
    keep = made
    if config is not None:
        composed = _composed(folder, config)
        yaml, remarks = yaml_files(composed, config, (out / "models").resolve(), name)
        constants = dict(composed.config.constants)
        keep = made and not _says_all(folder, composed)
        if keep:
            remarks.append(f"{name}/{variables.FILE} stays: it makes arrays or functions, which no YAML file can hold.")
    else:
        remarks.append("no configuration was found: give the library's config/ with --config, or write YAML files.")
    listed = None if composed is None else composed.config.variables
    drawn = None if listed is None else [v.name for v in (*listed.states, *listed.policies, *listed.definitions)]
    bounded = None if listed is None else [v.name for v in listed.definitions if v.bounds != Bounds()]
    ported = port_folder(folder, constants, drawn, bounded, keep)
    files = {f"models/{name}/{path}": content for path, content in ported.files.items()}
    files |= {f"config/{path}": text.encode() for path, text in yaml.items()}
    _write(out, files)
    print(_report(folder, out, [*files], ported.rewritten, [*ported.remarks, *remarks], composed))
    return 0


def _composed(folder: Path, config: Path) -> Composed:
    with _library(folder, config.expanduser().resolve()) as root:
        return compose([f"model={folder.name}"], library=root)


@contextmanager
def _library(folder: Path, config: Path) -> Iterator[Path]:
    """A folder in which config/ and the model folder stand side by side."""
    if not (config / "config.yaml").is_file():
        raise ConfigError(f"{config}: there is no config.yaml. Give the config/ of the TensorFlow library.")
    if config == folder.parent / "config":
        yield folder.parent
        return
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(config, Path(place) / "config")
        shutil.copytree(folder, Path(place) / folder.name)
        for helper in folder.parent.glob("*.py"):
            shutil.copy(helper, place)
        yield Path(place)


def _says_all(folder: Path, composed: Composed) -> bool:
    """Whether the YAML files hold everything that Variables.py makes."""
    made = variables.read_variables(folder, folder.name, composed.config.run.model_dump())
    functions = [p.name for p in composed.config.variables.policies if str(p.activation).startswith(OF_VARIABLES)]
    return not functions and all(variables.is_plain(value) for value in made.constants.values())


def _write(out: Path, files: dict[str, bytes]) -> None:
    """All files or none."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        new = Path(place) / "new"
        for path, content in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content)
        new.rename(out)


def _report(
    folder: Path, out: Path, files: list[str], rewritten: list[str], remarks: list[str], composed: Composed | None
) -> str:
    lines = [f"wrote {out / file}" for file in files]
    lines.append(f"rewritten to PyTorch: {', '.join(rewritten) or 'none'}; {folder} is as it was.")
    if composed is not None:
        lines += [f"note: {note}" for note in composed.notes]
    if remarks:
        lines.append(f"{count(len(remarks), 'place')} for you to look at (lines of the original):")
        lines += [f" {i}. {remark}" for i, remark in enumerate(remarks, start=1)]
    else:
        lines.append("nothing is left for you to do by hand.")
    program = to_type(sys.argv[0].removesuffix("port"))
    if composed is None:
        place = shlex.quote(str(out / "models"))
        lines.append(f"next: {program}check MODELS_DIR={place} MODEL_NAME={folder.name} constants=... variables=...")
    else:
        own = f"--config-dir {shlex.quote(str(out / 'config'))} model={folder.name}"
        lines += [f"next: {program}check {own}", f"      {program}train {own}"]
    return "\n".join(lines)
