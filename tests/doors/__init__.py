"""The house as somebody tries it who means it no good."""
