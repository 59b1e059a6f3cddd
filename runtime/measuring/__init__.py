"""How fast models run: each in a process of its own, all taking turns, so that a comparison holds on a busy machine."""
