"""Where things lie in a folder of the TensorFlow library, as its README has them."""

from __future__ import annotations

import shlex
from pathlib import Path

from deqn.errors import ConfigError


def config_of(folder: str | Path) -> Path:
    """`<folder>/config`, absolute.

    Args:
        folder: as it was typed behind `--from`.

    Raises:
        ConfigError: where it is no such folder.
    """
    place = Path(folder).expanduser().resolve()
    if not place.is_dir():
        raise ConfigError(f"--from {folder}: there is no such folder.")
    if (place / "config" / "config.yaml").is_file():
        return place / "config"
    others = [place.parent] if (place / "config.yaml").is_file() else []
    others += [path.parent.parent for n in ("*", "*/*") for path in place.glob(f"{n}/config/config.yaml")]
    raise ConfigError(
        f"--from {folder}: there is no {place / 'config' / 'config.yaml'}."
        f"{f' Did you mean --from {shlex.quote(str(others[0]))}?' if others else ''} Give the folder of the TensorFlow library, "
        "the one that holds config/ and the model folders."
    )


def models_of(folder: Path) -> list[str]:
    """The names of its model folders."""
    return sorted(path.parent.name for path in folder.glob("[!.]*/Equations.py"))
