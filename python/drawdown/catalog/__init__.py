"""Products, plans and packs, and the prices in them. Pure: no I/O, no clock."""
