"""The interface over its forms: embedded, gRPC with threads, gRPC with asyncio."""
