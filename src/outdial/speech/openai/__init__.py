"""OpenAI, and servers that call themselves compatible: speak. Source: platform.openai.com/docs."""
