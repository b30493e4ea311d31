"""The wrap-up: what an agent's model makes of a call once it has ended. Of any kind of agent that asks for one."""
