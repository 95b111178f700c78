"""A user's own runs: run files, what they compute, and the folders they leave."""
