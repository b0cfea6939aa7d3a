"""What is in a trained network, to look at: features, reconstructions, weights, and samples of what it has learned."""
