"""Chat: turns and tools of a dialogue as prompts of a model's family, and its text as calls again."""
