"""The `agentgauge` command."""
