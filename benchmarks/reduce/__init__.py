"""What reduce and merge cost: `python -m benchmarks.reduce`."""
