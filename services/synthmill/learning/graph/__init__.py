"""The sampler graph as an ONNX file: composed, checked, and wrapped around foreign generators. Needs onnx and NumPy."""
