"""What agents have in common whose brain is elsewhere: a server of the user's (relay/), a project (voiceflow/).

`reaching.py` says how brains are reached, `access.py` reaches them; `words.py` makes what they say ready to be spoken
while it comes; `duties.py` is what Outdial owes every callee whatever a brain does; `parting.py` what becomes of the
call when one is done.
"""
