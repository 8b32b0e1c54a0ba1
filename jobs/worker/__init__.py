"""What runs on a worker: the train function and its Ray entry points."""
