"""The command line. Every command is a thin reading of the interface; no rule lives here."""
