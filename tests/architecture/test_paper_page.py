"""docs/paper.md speaks of code that is there."""

import re
from pkgutil import resolve_name

import pytest

from tass_core.config import TrialConfig
from tests import ROOT

PAGE = (ROOT / "docs" / "paper.md").read_text()
NAMES = re.findall(r"`((?:tass|blocks|tass_core)\.[\w.]+)`", PAGE)
FIELDS = re.findall(r"`((?:model|loss|data|optimiser)\.\w+)(?:=\w+)?`", PAGE)


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_a_name_on_the_page_exists(name):
    resolve_name(name if name.startswith("tass_core.") else f"tass_core.systems.{name}")


@pytest.mark.parametrize("field", sorted(set(FIELDS)))
def test_a_field_on_the_page_exists(field):
    assert field in TrialConfig().flat()
