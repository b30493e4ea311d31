"""OpenAI, and servers that call themselves compatible. Source: platform.openai.com/docs."""
