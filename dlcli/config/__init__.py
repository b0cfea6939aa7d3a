"""YAML text → located, typed, resolved experiment; overrides; JSON Schema."""
