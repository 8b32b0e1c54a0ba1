"""Where ingredients are found, what is said when they are not, and that none is given away."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from tass_core.data.media import ingredients
from tass_core.data.media.ingredients import INGREDIENTS, Ingredient, find_file, find_ingredient
from tass_core.errors import DataError
from tests import ROOT

MADE_OF = (
    *INGREDIENTS.values(),
    *(
        picture.file
        for choice in (ingredients.SEEN_PICTURES, ingredients.UNSEEN_PICTURES)
        for pictures in choice.values()
        for picture in pictures
    ),
    *(picture.file for picture in ingredients.PROPS),
)

FONT = Ingredient(
    package="a-font",
    manager="debian",
    version="1.0",
    file="usr/share/a-font.sf2",
    sha256=hashlib.sha256(b"notes").hexdigest(),
    licence="MIT",
    origin="nobody",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TASS_INGREDIENTS", str(tmp_path))
    (tmp_path / "usr/share").mkdir(parents=True)
    find_file.cache_clear()
    yield tmp_path
    find_file.cache_clear()


def test_an_unpacked_package_is_found(folder):
    (folder / FONT.file).write_bytes(b"notes")
    assert find_file(FONT) == folder / FONT.file


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (FONT, r"apt-get download a-font, dpkg-deb -x a-font_\*\.deb DIR and TASS_INGREDIENTS=DIR"),
        (replace(FONT, manager="pip"), "pip install --no-deps a-font==1.0"),
    ],
)
def test_a_missing_one_names_its_package_and_the_command(folder, wanted, command):
    with pytest.raises(DataError, match=f"a-font.sf2 of .* a-font is missing: .*{command}"):
        find_file(wanted)


def test_another_version_is_refused(folder):
    (folder / FONT.file).write_bytes(b"other notes")
    with pytest.raises(DataError, match=r"a-font\.sf2: not the file of a-font 1\.0"):
        find_file(FONT)


def test_an_unknown_one_is_named_with_its_neighbour():
    with pytest.raises(DataError, match="did you mean 'yamnet'"):
        find_ingredient("yamnett")


def test_every_one_says_whose_it_is():
    for item in MADE_OF:
        assert len(item.sha256) == 64
        assert item.licence
        assert item.origin


def test_the_makefile_and_the_page_name_every_package():
    for place in ("Makefile", "docs/media.md"):
        text = (ROOT / place).read_text()
        assert not [item.package for item in MADE_OF if item.package not in text]


def test_no_file_of_an_ingredient_is_in_the_repository():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    _refuse({path.name: path.read_bytes() for path in paths if path.is_file()})


@pytest.mark.system
def test_no_file_of_an_ingredient_is_in_a_wheel(tmp_path):
    tree = tmp_path / "tree"
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip("not a git repository")
    tree.mkdir()
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(tree)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        _refuse({name: packed.read(name) for name in packed.namelist()})


def _refuse(files):
    known = {item.sha256 for item in MADE_OF}
    endings = (".mp4", ".onnx", ".pth", ".safetensors", ".sf2", ".sf3", ".whl", ".deb")
    for name, content in files.items():
        assert hashlib.sha256(content).hexdigest() not in known, name
        assert not name.endswith(endings), name
