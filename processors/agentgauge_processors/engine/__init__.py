"""What runs the stages: their contract, the runner, and the carriers.

Reading order: `contract`, `runner`, `sqlite` (one process), `kafka` (many).
"""
