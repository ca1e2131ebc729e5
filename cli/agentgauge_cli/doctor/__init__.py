"""`agentgauge doctor`: what is wrong with a pipeline, and the cure."""
