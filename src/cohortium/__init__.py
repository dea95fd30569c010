"""Cohortium: the data infrastructure of a medical-imaging research consortium."""

__all__ = ["__version__"]

__version__ = "0.1.0"
