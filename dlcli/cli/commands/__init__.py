"""The commands, one module each: a click command called ``command``. Heavy imports belong inside it."""
