"""The page for users of the TensorFlow library knows every key of the tables."""

from __future__ import annotations

import re

import pytest

from deqn.tensorflow.keys import OPTIMIZER, RUN, refusal
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "howto" / "from_tensorflow.md").read_text(encoding="utf-8")


def test_every_key_of_the_tables_is_on_the_page():
    assert [name for name in [*RUN, *OPTIMIZER] if not re.search(rf"`(optimizer\.)?{name}`", PAGE)] == []


@pytest.mark.parametrize("key", [(name,) for name in RUN] + [("optimizer", name) for name in OPTIMIZER])
def test_every_key_has_a_sentence(key):
    assert re.fullmatch(r" In the TensorFlow library it [a-z].+\. [A-Z].+\.", refusal(key, lambda key: True))
