"""The server: sockets, keys, limits, figures. The only layer that knows starlette and uvicorn."""
