"""A model cut into stages for several devices: where to cut, what that costs, and one graph a stage."""
