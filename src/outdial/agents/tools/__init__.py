"""Tools of an agent's author: HTTP requests and MCP servers, asked by a model in the middle of a call."""
