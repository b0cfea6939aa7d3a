"""How a parameter starts: one initialiser a file."""
