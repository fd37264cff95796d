"""The boards, and what renders them."""
