"""A carrier on your own machine: it speaks the carriers' real protocols and rings simulated people.

It is a peer of Outdial, not a part of it: nothing here imports anything of Outdial but `media` and `speech`.
"""
