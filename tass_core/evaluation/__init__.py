"""Evaluation: answers of a split, accuracies, grounding scores, predictions."""
