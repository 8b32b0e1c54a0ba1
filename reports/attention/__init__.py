"""Where and when a network looked, explained and drawn."""
