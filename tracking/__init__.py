"""MLflow's schema, the events that are written to it, and what is read back."""
