"""What can be said of a layer graph without running it: summary, cost, memory, agreement with a reference, a picture."""
