"""Public feature files and question files in, a dataset folder out."""
