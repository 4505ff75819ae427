"""docs/reference/configuration.md says what deqn/configuration/schema.py says."""

from __future__ import annotations

import runpy

from deqn.configuration import schema
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "reference" / "configuration.md"


def test_the_page_is_current():
    text = runpy.run_path(str(ROOT / "scripts" / "make_configuration_docs.py"))["text"]()
    assert PAGE.read_text(encoding="utf-8") == text, "run python scripts/make_configuration_docs.py"


def test_every_key_of_every_group_has_a_row_with_a_meaning():
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    meanings = {row[0].strip("| `"): row[-1].strip("| ") for row in rows}
    groups = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, schema.Group)]
    keys = {key for group in groups for key in group.model_fields}
    in_titles = {"constants", "net", "optimizer", "run", "variables", "hidden", "output"}
    assert all(meanings.get(key) for key in keys - in_titles - {"optimizer"})
