"""The sampling service: serves sampler graphs with ONNX Runtime."""
