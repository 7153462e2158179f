"""How fast spans become durable, and what that costs, beside the smallest collector that Python allows."""
