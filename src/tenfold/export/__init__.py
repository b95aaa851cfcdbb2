"""Layer: a run's model taken elsewhere: as an ONNX file, or as a plain PyTorch program that trains the winner."""
