"""What runs inside the jail: plain Python with no other part of the suite in reach."""
