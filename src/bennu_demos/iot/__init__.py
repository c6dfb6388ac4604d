"""Devices that are not browsers: telemetry in, commands out, and a page for their operators."""
