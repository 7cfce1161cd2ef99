"""How a step is run, where it is more than a forward and a backward pass.

backward      the default: one forward, one backward pass
perturbed     before them, pairs of forward passes with noise in weights or outputs (perturbed.py)
two_pass      a second forward pass takes the place of the backward one (two_pass.py)
relaxation    the activities settle before the weights learn (relaxation.py)

The first two mix freely in one network, and in the supernet of a search; the other two run whole networks.
"""
