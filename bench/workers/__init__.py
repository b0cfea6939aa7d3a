"""The contenders: each runs in a process of its own (`serve`), so that thread pools and memory don't mix."""
