"""Where the time of a model goes: each node's, carried back to the line of the .arch file that it comes from."""
