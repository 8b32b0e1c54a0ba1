"""The driver: a sweep from plan to finished trials."""
