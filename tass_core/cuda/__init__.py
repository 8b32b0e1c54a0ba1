"""What only CUDA devices need: copies beside the computation, and recorded steps."""
