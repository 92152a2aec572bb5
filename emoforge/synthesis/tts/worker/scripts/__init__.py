"""What other interpreters run; nothing here is imported by emoforge."""
