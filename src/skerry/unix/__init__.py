"""Unix as a server: a core that knows no kernel, and one small glue module for each kernel."""
