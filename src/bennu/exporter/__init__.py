"""Answers Prometheus: ``Endpoint(metrics="/metrics")``. What is counted, and how, is in :mod:`bennu.metrics`."""

from .exporter import Exporter

__all__ = ["Exporter"]
