"""The errata of the usual folklore: what is usually told, what is right, and what Tenfold's own rules measure."""
