"""The control plane's shell: calls and jobs around the pure rules, carried out exactly once in effect."""
