"""Models in int8: static, a scale for each channel of the weights, calibrated on data of the user."""
