"""What can be said of a layer graph without running it: summary, cost, memory, agreement, a picture."""
