"""The procedural music world: scenes, questions with true answers, and features for them."""
