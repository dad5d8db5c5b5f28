"""The verbs of a session for asyncio: thin twins, one kind a file, as in `verbs`."""
