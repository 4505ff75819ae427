"""Writes what the gallery takes from the models themselves: the table of docs/models/index.md, facts and code of each page.

python scripts/make_gallery.py

On a page it writes what stands between `<!-- facts -->` and `<!-- /facts -->`, and between `<!-- code -->` and `<!-- /code -->`.
Sources are `about:` in config/model/<name>.yaml, config/variables/ and models/<name>/Equations.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deqn.configuration.compose import compose  # noqa: E402

PAGES = ROOT / "docs" / "models"
# in the order of the gallery: what the economies have in common, and what they are
FAMILIES = {
    "Growth": "bm1972 brock_mirman stochastic_growth stochastic_growth_pseudostates rbc rbc_labor ramsey ramsey_stoch",
    "Prices, policy, limits": "asset_pricing nk_zlb consumption_savings sudden_stop sudden_stop_calibrated dice",
    "Countries": "irbc irbc_irreversible irbc_labor irbc_leisure",
    "Generations": "analytic olg_lifecycle",
    "Heterogeneous households": "krusell_smith krusell_smith_1998 krusell_smith_beta huggett countercyclical_risk hank "
    "two_assets",
}


def main() -> None:
    for page, text in texts().items():
        page.write_text(text, encoding="utf-8")


def texts() -> dict[Path, str]:
    """Each page with its parts as they should be."""
    models = {name: compose([f"model={name}"]).config for names in FAMILIES.values() for name in names.split()}
    pages = {PAGES / f"{name}.md": page(name, config) for name, config in models.items()}
    index = PAGES / "index.md"
    return {**pages, index: fill(index.read_text(encoding="utf-8"), "table", table(models))}


def page(name: str, config: Any) -> str:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    equations = (ROOT / "models" / name / "Equations.py").read_text(encoding="utf-8")
    return fill(fill(text, "facts", facts(name, config)), "code", f"```python\n{equations.strip()}\n```\n")


def fill(text: str, mark: str, content: str) -> str:
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"a page of the gallery needs one {begin.strip()} and one {end}: {text.splitlines()[0]}")
    return text[: text.index(begin)] + f"{begin}\n{content}\n" + text[text.index(end) :]


def facts(name: str, config: Any) -> str:
    variables = config.variables
    rows = {
        "train it": f"`deqn train model={name}`",
        "time": f"{time(config.about.minutes)} on the clock",
        "states": columns(variables.states),
        "policies": columns(variables.policies),
        "held against": answer(config),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]) + "\n"


def columns(variables: Any) -> str:
    return "; ".join(f"`{v.name}`" + (f" ({size(v.shape)})" if v.shape else "") + f", {v.about}" for v in variables)


def size(shape: Any) -> str:
    return " × ".join(str(n) for n in shape)


def time(minutes: float) -> str:
    return f"{60 * minutes:.0f} s" if minutes < 1 else f"{minutes:g} minute{'s' if minutes != 1 else ''}"


def answer(config: Any) -> str:
    """The known answer; a folder named there becomes a link."""
    words = config.about.known_answer or "nothing: its residuals alone, and a special case in the tests"
    return re.sub(r"models/\w+/reference", lambda match: f"`{match[0]}/`", words)


def table(models: dict[str, Any]) -> str:
    lines = []
    for family, names in FAMILIES.items():
        lines += [f"## {family}\n", "| model | what it is | what it is held against | time |", "|---|---|---|---|"]
        for name in names.split():
            config = models[name]
            lines.append(
                f"| [`{name}`]({name}.md) | {config.about.title} | {answer(config)} | {time(config.about.minutes)} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
