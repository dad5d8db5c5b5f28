"""The model of a server, behind the same protocol as a model of this process."""
