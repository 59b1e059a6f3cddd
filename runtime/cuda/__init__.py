"""Models on NVIDIA's GPUs: arrays that stay there, and CUDA graphs."""
