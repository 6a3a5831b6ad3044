"""Measurements, a command each: `python -m benchmarks [NAME ...] [--against ministack] [--against moto]`."""
