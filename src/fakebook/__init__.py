"""The Fake Book: models that forge faces, and detectors that catch them."""
