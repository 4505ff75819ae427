"""docs/explanation/references.md: each file that it names says where its method comes from."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "explanation" / "references.md"
OWED = {
    ("Azinovic", "2022"), ("Scheidegger", ""), ("Žemlička", ""), ("Krusell", "1998"), ("Young", "2010"), ("Den Haan", "2010"),
    ("Auclert", "2021"), ("Carroll", "2006"), ("Maliar", "2010"), ("Brock", "1972"), ("Stroud", "1971"), ("Judd", "1998"),
    ("Fischer", "1992"), ("Han", "2021"),
}  # fmt: skip


def entries() -> list[tuple[str, str, list[str]]]:
    """(first author, year, files) of each reference; a program has no year that its users would cite."""
    found = []
    for entry in PAGE.read_text(encoding="utf-8").split("\n- ")[1:]:
        entry = entry.split("\n\n")[0]
        year = re.search(r"\((\d{4})\)\.\s", entry)
        found.append(
            (entry.split(",")[0], year[1] if year else "", re.findall(r"`((?:deqn|models|config)/[\w./]+)`", entry))
        )
    return found


def test_the_sources_of_the_methods_are_on_the_page():
    assert {(author, year) for author, year, _ in entries()} >= OWED


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: f"{entry[0]} {entry[1]}")
def test_a_file_names_its_source(entry):
    author, year, files = entry
    assert files
    for name in files:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert author in text, name
        assert year in text, name
