"""What compiler and runtime share: diagnostics, dimension algebra, dtypes, metadata schema. Nothing heavy is imported here."""
