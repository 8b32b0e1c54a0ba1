"""MUSIC-AVQA: its answers, templates and question files."""
