"""Models in this process. What is tested is the real library, or its signatures where it is not installed."""
