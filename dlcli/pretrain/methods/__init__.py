"""Methods of layer-wise pretraining: one file each."""
