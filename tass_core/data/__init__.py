"""Data: dataset folders, MUSIC-AVQA's questions, and the ways in (world, ingest, extract)."""
