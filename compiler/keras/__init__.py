"""From the layer graph to a model of Keras: `to_keras` (building.py). Keras is imported inside functions only."""
