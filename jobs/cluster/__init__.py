"""Ray's session and what a cluster has to give."""
