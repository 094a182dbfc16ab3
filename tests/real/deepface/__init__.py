"""The genuine DeepFace API server, with dlib's weights, behind the running proxy."""
