"""From the queue to the destinations: what is sent when, what becomes of what is refused, and what is counted."""
