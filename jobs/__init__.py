"""The platform: packs, the Ray Train function, Ray Tune, Optuna and MLflow tracking."""
