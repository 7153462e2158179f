"""How fast spans are sent on, and what that costs, for every kind of destination."""
