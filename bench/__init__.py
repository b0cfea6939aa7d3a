"""dlcli beside PyTorch and scikit-learn, in one run: see README.md in this folder."""
