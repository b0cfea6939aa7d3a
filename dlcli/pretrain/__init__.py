"""Layer-wise pretraining: the greedy walk and its methods."""
