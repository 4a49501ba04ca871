"""Training of U²-Net and U²-Net†: ``streamseg train``. Everything but ``command`` and ``settings`` imports torch."""
