"""Invoices, invoice credits, credit notes, purchases and recharge rules. Pure: no I/O, no clock."""
