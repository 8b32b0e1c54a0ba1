"""Where packs live."""
