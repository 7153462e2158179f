"""An experiment and what the gate says of it, for people and for machines. Pure: each module is one ``render``."""
