"""Mattes at the frame's size, refined where alpha is uncertain, and the foreground colours that belong to them."""
