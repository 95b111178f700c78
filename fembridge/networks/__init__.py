"""What networks do, measured with PyTorch: activations, models, features and training."""
