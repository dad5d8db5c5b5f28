"""Speed measured side by side, never inside tests."""
