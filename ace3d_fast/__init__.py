"""Spatial-temporal concept explanations of 3D ConvNets."""

__version__ = "0.1.0"
