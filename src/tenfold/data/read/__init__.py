"""Files, frames and arrays to columns or images."""
