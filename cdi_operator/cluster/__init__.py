"""The only rooms that speak to the Kubernetes API: client, informer and cache on the way in, applier on the way out."""
