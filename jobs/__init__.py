"""The platform: plans, packs, Ray Tune, Optuna, the outbox and MLflow."""
