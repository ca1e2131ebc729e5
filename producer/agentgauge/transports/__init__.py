"""Where blocks go: Kafka, the terminal, or a list in memory."""
