"""Long work shown: bars for terminals and notebooks."""
