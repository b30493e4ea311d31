"""Recognition over a whole call: its words as they come, and a vendor's own end of turn."""
