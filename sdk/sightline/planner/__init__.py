"""A text model elsewhere that plans, and the loop that lets it call the tools of a session."""
