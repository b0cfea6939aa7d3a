"""The command line: Click only, one command a file, heavy imports inside the command."""
