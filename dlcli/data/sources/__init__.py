"""Data sources: files → samples, one file each."""
