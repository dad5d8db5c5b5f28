"""The server: one model and many sessions behind HTTP and MCP, each tenant alone with its own store."""
