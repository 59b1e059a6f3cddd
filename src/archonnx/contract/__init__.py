"""What compiler and runtime share, nothing heavy: diagnostics, dimension algebra, dtypes, metadata schema."""
