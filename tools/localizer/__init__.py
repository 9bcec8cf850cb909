"""Anatomy and lesions on colour fundus photographs: a small detector behind ONNX Runtime, and how it was made.

`detector` and `anatomy` run in the product; `dataset`, `augment`, `train` and `evaluate` make and measure the weights.
"""
