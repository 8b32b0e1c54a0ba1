"""What only CUDA devices need: copies beside the computation, and steps replayed from graphs."""
