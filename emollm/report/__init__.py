"""Figures and tables made from stored predictions."""
