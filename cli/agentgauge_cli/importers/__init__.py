"""Readers of what other programs recorded: their files become events.

Reading order: `lines` (one line of a file), `claude_code` (lines to events), `files` (which files,
read how), `publish` (events to blocks, identities and the report).
"""
