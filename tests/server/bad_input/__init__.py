"""Bad input to every call: what it is made of, and what is expected of each."""
