"""TASS: the model, its losses, its data and its trainer, with every variant of the paper.

One letter has one meaning in every shape of this repository:

====  ==========================================================
B     questions in a batch
U     distinct videos in a batch
K     questions that share one video in a batch, padded
T     segments after pooling (T1 before, T = T1 / T2)
P     regions of a frame's grid (7 x 7 = 49 in the paper)
C     channels of a frozen feature
D     width of the network (512 in the paper)
N     words of a question
S     distinct sentences of a dataset
E     members of a pack
V, Q  videos and questions of a dataset
====  ==========================================================
"""

TRAINING_VERSION = 6
"""Raised by hand whenever the same trial can give another result than before."""
