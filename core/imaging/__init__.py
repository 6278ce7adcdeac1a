"""Pixels without torch."""

import os

# OpenCV and its libtiff write warnings about people's files straight to standard error, in words that help nobody.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
