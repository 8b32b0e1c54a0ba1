"""What is installed has every file that the packages read."""

import tomllib

from tests import ROOT

SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_data_file_of_a_package_is_installed_with_it():
    tops = [ROOT / name.removesuffix("*") for name in SETUP["packages"]["find"]["include"]]
    there = {
        path
        for top in tops
        for path in top.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    installed = {
        path
        for package, patterns in SETUP["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert there == installed
