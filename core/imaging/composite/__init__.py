"""Restored faces back into their photo, without a seam."""

from core.imaging.composite.compose import compose, layers_of
from core.imaging.composite.layer import Layer, make_layer
from core.imaging.composite.patch import Patch, outline_of
from core.imaging.composite.window import Window, place

__all__ = ["Layer", "Patch", "Window", "compose", "layers_of", "make_layer", "outline_of", "place"]
