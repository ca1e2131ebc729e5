"""The stream processors: reduce, merge, and the engine that runs them."""
