"""Detectors: embeddings of frozen networks, linear classifiers on them, and networks trained or fine-tuned whole."""
