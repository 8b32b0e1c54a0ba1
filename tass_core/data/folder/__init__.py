"""The dataset folder: described, written, read and checked."""
