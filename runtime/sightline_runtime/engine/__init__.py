"""The local torch engine behind the runtime protocol."""
