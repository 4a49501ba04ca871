"""Where the subject is in the frame, and which part of it the network sees next."""
