"""Steps of the schema, in order. Each is immutable once released."""
