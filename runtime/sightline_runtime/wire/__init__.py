"""The runtime protocol as JSON and bytes: requests, events and results, with arrays by digest."""
