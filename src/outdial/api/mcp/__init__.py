"""The MCP server at /mcp: what an assistant can do with a workspace's calls. Its facts: docs/mcp.md."""
