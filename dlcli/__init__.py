"""dlcli: train the classic deep networks of Okatani's survey from one YAML file, on a CPU."""

__version__ = "0.1.0"
