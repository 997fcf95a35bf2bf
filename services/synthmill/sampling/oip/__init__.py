"""The Open Inference Protocol, version 2: the samples of the service for clients made for other model servers."""
