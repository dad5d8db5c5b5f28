"""HTTP to a server: one client, its retries, its streams, and errors of the tree for whatever fails."""
