"""simgpu: when does a training run end, what does it cost, and what holds it back?"""
