"""From videos to features: decoding, frozen encoders, and parts that a stopped run keeps.

Needs the optional extra ``tass-lab[extract]``; nothing of it is imported before it is used.
"""
