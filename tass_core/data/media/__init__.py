"""Videos of the procedural world: real pictures and sounds in its scenes, as mp4 files.

Needs the optional extra ``tass-lab[render]``; nothing of it is imported before it is used.
"""
