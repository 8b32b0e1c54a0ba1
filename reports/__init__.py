"""MLflow in; tables, statistics, claims, plots and pages out."""
