"""Wrong combinations of settings, each with the mend."""
