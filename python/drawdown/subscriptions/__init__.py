"""Who is on what plan and when what happens next. Pure: no I/O, no clock."""
