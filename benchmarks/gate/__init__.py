"""How often the gate is wrong: false alarms where nothing differs, and how often it finds what does."""
