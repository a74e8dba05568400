"""One module per kind of asset; `orchestration.graph` puts them together."""
