"""What the extra `[tui]` shows in a terminal."""
