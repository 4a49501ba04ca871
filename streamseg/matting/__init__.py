"""Mattes and what is made with them: pure functions on arrays."""
