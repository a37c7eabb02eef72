"""Data of one's own: brought in, checked, and made into questions."""
