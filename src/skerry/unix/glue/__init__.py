"""What ties the Unix server to a kernel: one module for each."""
