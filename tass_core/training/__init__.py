"""Training: packs of trials, their steps, their results and their resume state."""
