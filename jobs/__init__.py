"""The platform: plans, packs, Ray Tune, Optuna, the journal and MLflow."""
