"""What a server links: coroutines (C threads on one context), call stubs, the receive loop."""
