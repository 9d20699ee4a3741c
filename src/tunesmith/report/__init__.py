"""What a run folder tells: read by people, while it runs and after."""
