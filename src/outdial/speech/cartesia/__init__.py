"""Cartesia: Sonic speaks. Source: docs.cartesia.ai."""
