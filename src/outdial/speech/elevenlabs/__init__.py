"""ElevenLabs: speaks. Source: elevenlabs.io/docs."""
