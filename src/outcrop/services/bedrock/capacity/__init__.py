"""Capacity that is bought for a model: provisioned throughput and custom model deployments."""
