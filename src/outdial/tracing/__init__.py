"""One trace a call, for OpenTelemetry: made of what is stored of it, and sent when it is over."""
