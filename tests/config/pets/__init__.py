"""The package of a family that the tests define: one member a module, like the real ones."""
