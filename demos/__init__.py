"""What people click: the browser demo will live here."""
