"""The process: which change wakes which key, the queues, the lease, kopf, health, settings, logs."""
