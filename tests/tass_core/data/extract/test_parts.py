"""One video's features, and the files that keep them until all are there."""

import numpy as np
import pytest

from tass_core.data.extract.parts import ExtractSettings, Parts, extract_video
from tass_core.errors import DataError
from tests.tass_core.data.extract.videos import make_video, untrained


@pytest.mark.parametrize(
    ("name", "shape"), [("clip", (6, 49, 2048)), ("resnet18-glove", (6, 196, 512))]
)
def test_video_becomes_features_of_the_papers_shapes(tmp_path, name, shape):
    encoders = untrained(name)
    settings = ExtractSettings(encoders=(name,), seconds=6, untrained=True)
    found = extract_video(make_video(tmp_path / "a.mp4", 4.0), encoders, settings)
    assert found["audio"].shape == (6, 128)
    maps = found[f"{name}/visual"]
    assert (maps.shape, maps.dtype) == (shape, np.float16)
    np.testing.assert_array_equal(maps[4:], maps[[3, 3]])
    np.testing.assert_array_equal(found["audio"][4:], found["audio"][[3, 3]])
    assert not np.array_equal(maps[0], maps[1])
    assert int(found["seconds"]) == 4


def test_parts_of_other_settings_are_not_taken_for_these(tmp_path):
    parts = Parts(tmp_path, ExtractSettings(fps=1))
    parts.create()
    parts.write("one", {"clip/visual": np.ones((2, 3))})
    assert parts.has("one")
    assert not Parts(tmp_path, ExtractSettings(fps=2)).has("one")
    assert not Parts(tmp_path, ExtractSettings(weights=("other",))).has("one")
    np.testing.assert_array_equal(parts.read("one")["clip/visual"], np.ones((2, 3)))


def test_damaged_part_is_removed_so_that_the_next_run_makes_it_again(tmp_path):
    parts = Parts(tmp_path, ExtractSettings())
    parts.create()
    parts.write("one", {"audio": np.ones((2, 128))})
    (path,) = parts.folder.iterdir()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"damaged .* and removed; run the same command again"):
        parts.read("one")
    assert not parts.has("one")
