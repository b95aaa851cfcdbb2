"""Where jobs run: the protocol, its executors, and the choice among them."""
