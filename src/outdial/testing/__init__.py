"""For those who write agents: a call to try them on, in memory. Ships with Outdial."""
