"""Telnyx: Call Control under /v2, signed callbacks, media streaming. Source: developers.telnyx.com."""
