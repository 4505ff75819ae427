"""The YAML files that a command line chooses, read before Hydra reads them: what is wrong there, with file and line."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from deqn.errors import suggestion

GROUPS = ("constants", "net", "optimizer", "run", "variables")
_HEADER = re.compile(r"#\s*@package\s+_global_\s*$")


def options(folders: Sequence[Path], group: str) -> list[str]:
    """What `group=` can choose; files that a Mac leaves beside others (`._x.yaml`) are none of it."""
    return sorted({path.stem for folder in folders for path in (folder / group).glob("[!.]*.yaml")})


def unknown_option(folders: Sequence[Path], group: str, option: str) -> str:
    """'' where there is such a file, else what there is."""
    known = options(folders, group)
    if option in known or any(os.path.isfile(folder / group / f"{option}.yaml") for folder in folders):
        return ""
    what = "model" if group == "model" else f"{group} configuration"
    named = (f for folder in folders for f in sorted((folder / group).glob("[!.]*")) if f.stem == option)
    other = next((f for f in named if f.suffix.lower() in (".yml", ".yaml")), None)
    if other is not None:
        return f"No {what} {option!r}: there is {other}; rename it to {option}.yaml."
    return f"No {what} {option!r}.{suggestion(option, known) or _elsewhere(folders, group, option)} Known: {', '.join(known)}."


def _elsewhere(folders: Sequence[Path], group: str, option: str) -> str:
    """How to name the folder of a file of one's own: --config-dir is missing, or leads to a folder above."""
    if len(folders) == 1:
        return f" One of your own: --config-dir <the folder that holds {group}/{option}.yaml>."
    below = next((path for folder in folders for path in folder.glob(f"*/{group}/{option}.yaml")), None)
    return f" There is {below}: give --config-dir {shlex.quote(str(below.parent.parent))}." if below else ""


def problems_in_files(folders: Sequence[Path], typed: Mapping[str, str], lenient: bool = False) -> list[str]:
    """What is wrong in config.yaml, the model's file and the files of the groups.

    Args:
        folders: the shipped `config/` and that of `--config-dir`, in the order in which Hydra looks.
        typed: group -> option, of the command line.
        lenient: whether a key may stand twice, and a file be empty.
    """
    chosen, problems = dict(typed), []
    file = _find(folders, "model", typed.get("model"))
    if file is not None:
        found, of_model = _model_file(file, folders, typed)
        problems += found
        chosen = of_model | chosen
    for group in GROUPS:
        file = _find(folders, group, chosen.get(group))
        if file is not None:
            problems += [*_nodes(file, lenient)[1], *_misread(file, group)]
    return problems


def _find(folders: Sequence[Path], group: str, option: str | None) -> Path | None:
    places = (folder / group / f"{option}.yaml" for folder in folders)
    return next((place for place in places if place.is_file()), None)


def default_options(file: Path) -> list[tuple[str, str, int]]:
    """Group, option and line of each entry in the defaults list of a config.yaml."""
    found = []
    for entry in _defaults(_nodes(file, lenient=True)[0] or yaml.MappingNode("", [])):
        for key, option in entry.value:
            words = str(key.value).split() or [""]
            if isinstance(option, yaml.ScalarNode) and not option.tag.endswith(":null"):
                found.append((words[-1].lstrip("/"), str(option.value).removesuffix(".yaml"), _line(key)))
    return found


def readable(file: Path) -> tuple[str, list[str]]:
    """The text of a file of the TensorFlow library as Hydra can read it, and what is to be said; '' where it can as it is.

    Of a key that stands twice there is the last one; the defaults list has no plugins of Hydra, which may not be here.
    """
    root = _nodes(file, lenient=True)[0]
    if root is None:
        return "", []
    twice, plugins = [str(key.value) for key in _duplicates(root)], _without_plugins(root)
    said = [f"{', '.join(twice)} stands there twice; the last one counts."] if twice else []
    said += (
        [f"{', '.join(plugins)} of its defaults is not read: messages look the same in all runs."] if plugins else []
    )
    if not said:
        return "", []
    header = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# @package")]
    return "\n".join([*header, yaml.serialize(_last_ones(root), allow_unicode=True)]), said


def _without_plugins(root: yaml.MappingNode) -> list[str]:
    """Takes `override hydra/job_logging: colorlog` and the like out of a defaults list; their groups."""
    found = []
    for key, value in root.value:
        if key.value == "defaults" and isinstance(value, yaml.SequenceNode):
            groups = {
                id(e): e.value[0][0].value.split()[-1]
                for e in value.value
                if isinstance(e, yaml.MappingNode) and e.value
            }
            plugins = {entry: group for entry, group in groups.items() if group.lstrip("/").endswith("_logging")}
            value.value = [entry for entry in value.value if id(entry) not in plugins]
            found += list(plugins.values())
    return found


def _last_ones(node: yaml.Node) -> yaml.Node:
    if isinstance(node, yaml.MappingNode):
        last = {
            id(key) if not isinstance(key, yaml.ScalarNode) else key.value: (key, value) for key, value in node.value
        }
        node.value = [(key, _last_ones(value)) for key, value in last.values()]
    elif isinstance(node, yaml.SequenceNode):
        node.value = [_last_ones(entry) for entry in node.value]
    return node


def _nodes(file: Path, lenient: bool = False) -> tuple[yaml.MappingNode | None, list[str]]:
    """The tree of a file with its lines, and what is wrong with it as YAML."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
        again = [] if lenient else list(_duplicates(root))
    except UnicodeDecodeError as error:
        return None, [f"{file}: the file is not text in UTF-8 ({error.reason} at byte {error.start})."]
    except OSError as error:
        return None, [f"{file} cannot be read: {error.strerror}."]
    except yaml.YAMLError as error:
        return None, [f"{file}{yaml_error(error)}"]
    except RecursionError:
        return None, [f"{file}: an anchor refers to itself, or lists and mappings are nested too deeply."]
    if root is None and lenient:
        return yaml.MappingNode("", []), []
    if root is None:
        return None, [f"{file} is empty: expected keys and values (key: value)."]
    if not isinstance(root, yaml.MappingNode):
        what = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        return None, [f"{file}:{_line(root)}: expected keys and values (key: value), found {what}."]
    return root, [f"{file}:{_line(key)}: the key {key.value} stands here a second time. Remove one." for key in again]


def yaml_error(error: yaml.YAMLError) -> str:
    """':3: not YAML: ...' of an error of the parser."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = [getattr(error, name, None) for name in ("context", "problem")]
    said = [part for part in said if part] or [" ".join(str(error).split())]
    hint = ""
    if "'\\t'" in str(error):
        hint = " YAML takes no tabs: indent with spaces."
    elif "quoted scalar" in str(error):
        hint = " Is a quote not closed?"
    place = "" if mark is None else f":{mark.line + 1}"
    return f"{place}: not YAML: {', '.join(map(str, said))}.{hint}"


def _model_file(
    file: Path, folders: Sequence[Path], typed: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:  # fmt: skip
    """What is wrong in config/model/<name>.yaml, and the options that it chooses."""
    root, problems = _nodes(file)
    if root is None:
        return problems, {}
    header = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()][:1]
    if not any(_HEADER.match(line) for line in header):
        mark = (
            " The file begins with a byte-order mark: save it as UTF-8 without one."
            if "\ufeff" in "".join(header)
            else ""
        )
        problems.append(f"{file}: the first line must be `# @package _global_`.{mark}")
    chosen: dict[str, str] = {}
    for entry in _defaults(root):
        for key, option in entry.value:
            words = str(key.value).split()
            group = words[-1].lstrip("/") if words else ""
            if group not in GROUPS:
                continue
            if words != ["override", f"/{group}"]:
                problems.append(
                    f"{file}:{_line(key)}: `- {key.value}: {option.value}` must be `- override /{group}: {option.value}`."
                )
            elif group not in typed and isinstance(option, yaml.ScalarNode):
                unknown = unknown_option(folders, group, str(option.value).removesuffix(".yaml"))
                problems += [f"{file}:{_line(key)}: {unknown}"] if unknown else []
                chosen[group] = str(option.value).removesuffix(".yaml")
    return problems, chosen


def _defaults(root: yaml.MappingNode) -> Iterator[yaml.MappingNode]:
    for key, value in root.value:
        if key.value == "defaults" and isinstance(value, yaml.SequenceNode):
            yield from (entry for entry in value.value if isinstance(entry, yaml.MappingNode))


def _misread(file: Path, group: str) -> list[str]:
    """Keys, and names of variables, that are words to who wrote them and something else to YAML (no, on, null, 1); `${`."""
    root = _nodes(file)[0]
    scalars = [key for key, _ in _pairs(root)]
    if group == "variables":
        scalars += [value for key, value in _pairs(root) if key.value == "name"]
    kinds = {"bool": "true or false", "null": "nothing", "int": "a number", "float": "a number", "timestamp": "a date"}
    found = [
        f"{file}:{_line(value)}: ${{ is opened and not closed with }} in `{value.value}`."
        for _, value in _pairs(root)
        if isinstance(value, yaml.ScalarNode) and value.value.count("${") > value.value.count("}")
    ]
    for node in scalars:
        kind = node.tag.rpartition(":")[2]
        if isinstance(node, yaml.ScalarNode) and kind in kinds:
            value = str(yaml.SafeLoader.bool_values[node.value.lower()]).lower() if kind == "bool" else kinds[kind]
            found.append(
                f"{file}:{_line(node)}: YAML reads `{node.value}` as {value}, not as a name. Write it in quotes "
                f"('{node.value}'), or choose another name."
            )
    return found


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Key and value of every mapping of a tree."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key, value
            yield from _pairs(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _pairs(entry)


def _duplicates(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _duplicates(entry)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
