"""The verbs of a session, one kind a file; each is a few lines that call the room where the work is done."""
