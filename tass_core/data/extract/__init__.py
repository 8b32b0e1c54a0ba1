"""From videos to features: decoding, frozen encoders, and parts that a stopped run keeps.

Needs the optional extra ``tass-lab[extract]``; nothing of it is imported before it is used.
"""

from tass_core.data.extract.decode import Decoded, decode_video
from tass_core.data.extract.encoders import FrozenEncoders, load_encoders, weight_checksums
from tass_core.data.extract.parts import (
    ExtractSettings,
    Parts,
    assemble,
    extract_video,
    find_videos,
)

__all__ = [
    "Decoded",
    "ExtractSettings",
    "FrozenEncoders",
    "Parts",
    "assemble",
    "decode_video",
    "extract_video",
    "find_videos",
    "load_encoders",
    "weight_checksums",
]
